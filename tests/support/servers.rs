//! Real servers for tests: each on a free port of this machine, with a folder of its own, stopped when it is dropped.
//!
//! They come from Debian packages (`build.sh test` installs them). Where one is missing its tests fail and say so, unless
//! `OUTRIDER_ALLOW_SKIP=1`.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::upstream_tls::Authority;

/// How long a server may take to be ready, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);
/// Whoever may do everything.
pub(crate) const ADMIN: &str = "outrider_admin";
pub(crate) const PASSWORD: &str = "correct horse '\"battery";

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// PEM of the authority that vouches for it, as `localhost`.
    pub(crate) authority: String,
    process: Child,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Server {
    /// Ends it at once, in the middle of whatever it does.
    pub(crate) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// PostgreSQL with TLS and passwords; `None` if it is not installed and that is allowed.
    pub(crate) fn postgresql() -> Option<Self> {
        let programs = installed("postgres", "postgresql", &["/usr/lib/postgresql/*/bin"])?;
        let (folder, account) = folder_for("postgres");
        let data = folder.path().join("data");
        let password = write(&folder, account, "password", PASSWORD);
        let mut initdb = as_account(&programs.join("initdb"), account);
        run(initdb
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--username", ADMIN])
            .arg("--pwfile")
            .arg(password)
            .arg(&data));
        let (authority, certificate, key) = certificates(&folder, account);
        let port = free_port();
        let mut server = as_account(&programs.join("postgres"), account);
        server.arg("-D").arg(&data).arg("-p").arg(port.to_string()).arg("-k").arg(folder.path());
        for setting in ["listen_addresses=localhost", "ssl=on", "fsync=off", "max_connections=50"] {
            server.arg("-c").arg(setting);
        }
        server.arg("-c").arg(format!("ssl_cert_file={}", certificate.display()));
        server.arg("-c").arg(format!("ssl_key_file={}", key.display()));
        Some(Self::started(server, port, authority, folder))
    }

    /// MariaDB with TLS; `None` if it is not installed and that is allowed.
    pub(crate) fn mariadb() -> Option<Self> {
        let programs = installed("mariadbd", "mariadb-server", &["/usr/sbin", "/usr/local/sbin"])?;
        let (folder, account) = folder_for("mysql");
        let data = folder.path().join("data");
        let mut install = as_account(Path::new("mariadb-install-db"), account);
        run(install
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display())));
        let quoted = PASSWORD.replace('\'', "''");
        let set_up = format!(
            "CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{quoted}';\nGRANT ALL ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n\
             CREATE USER '{ADMIN}'@'localhost' IDENTIFIED BY '{quoted}';\n\
             GRANT ALL ON *.* TO '{ADMIN}'@'localhost' WITH GRANT OPTION;\n"
        );
        let set_up = write(&folder, account, "set-up.sql", &set_up);
        let (authority, certificate, key) = certificates(&folder, account);
        let port = free_port();
        let mut server = as_account(&programs.join("mariadbd"), account);
        server.arg("--no-defaults").arg("--bind-address=127.0.0.1").arg(format!("--port={port}"));
        for (option, path) in [
            ("datadir", &data),
            ("socket", &folder.path().join("socket")),
            ("pid-file", &folder.path().join("pid")),
            ("init-file", &set_up),
            ("ssl-cert", &certificate),
            ("ssl-key", &key),
        ] {
            server.arg(format!("--{option}={}", path.display()));
        }
        Some(Self::started(server, port, authority, folder))
    }

    fn started(mut server: Command, port: u16, authority: String, folder: TempDir) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = server.spawn().unwrap();
        let mut server = Self { port, authority, process, folder };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.process.try_wait().unwrap();
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
                panic!("the server is not ready ({ended:?}):\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

/// Uid and gid that a server runs with: not ours if that is root, which servers refuse.
type Account = Option<(u32, u32)>;

fn as_account(program: &Path, account: Account) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/").env_remove("PGPASSWORD").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command
}

/// A folder that belongs to `name`, the account of a Debian package.
fn folder_for(name: &str) -> (TempDir, Account) {
    let folder = tempfile::tempdir().unwrap();
    let account =
        (number("id", &["-u"]) == 0).then(|| (number("id", &["-u", name]), number("id", &["-g", name])));
    if let Some((uid, gid)) = account {
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    (folder, account)
}

fn number(program: &str, arguments: &[&str]) -> u32 {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

fn write(folder: &TempDir, account: Account, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    if let Some((uid, gid)) = account {
        chown(&path, Some(uid), Some(gid)).unwrap();
    }
    path
}

/// An authority (PEM), and the files of a certificate for `localhost` with its key.
fn certificates(folder: &TempDir, account: Account) -> (String, PathBuf, PathBuf) {
    let authority = Authority::named("authority of a test");
    let identity = authority.identity("localhost");
    let certificate = write(folder, account, "server.pem", &identity.pem());
    let key = write(folder, account, "server.key", &identity.key_pem());
    (authority.pem(), certificate, key)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {text}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The folder of a program: the newest of `folders`, in which a `*` stands for a version, or on the PATH.
fn installed(program: &str, package: &str, folders: &[&str]) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders {
        match folder.split_once('*') {
            None => found.push(PathBuf::from(folder)),
            Some((before, after)) => {
                let versions = std::fs::read_dir(before).into_iter().flatten().flatten();
                let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
                versions.sort();
                found.extend(versions.iter().rev().map(|path| path.join(after.trim_start_matches('/'))));
            }
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    let folder = found.into_iter().find(|folder| folder.join(program).is_file());
    if folder.is_none() {
        let allowed = std::env::var_os("OUTRIDER_ALLOW_SKIP").is_some_and(|value| value == "1");
        assert!(
            allowed,
            "{program} is not installed: install the Debian package {package} and run this again"
        );
        eprintln!("skipped: {program} is not installed");
    }
    folder
}
