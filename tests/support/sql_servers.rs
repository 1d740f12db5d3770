//! Real database servers for tests.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;

use crate::server::{Running, free_port, installed};
use crate::upstream_tls::Authority;

/// Whoever may do everything.
pub(crate) const ADMIN: &str = "outrider_admin";
pub(crate) const PASSWORD: &str = "correct horse '\"battery";

/// A running server.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// PEM of the authority that vouches for it, as `localhost`.
    pub(crate) authority: String,
    /// Where its files are, and its socket.
    pub(crate) folder: PathBuf,
    pub(crate) running: Running,
}

impl AsRef<Running> for Server {
    fn as_ref(&self) -> &Running {
        &self.running
    }
}

impl Server {
    /// PostgreSQL with TLS and passwords; `None` if it is not installed and that is allowed.
    pub(crate) fn postgresql() -> Option<Self> {
        Self::postgresql_with(certificates)
    }

    /// The same with one certificate for itself and for its authority, as `openssl req -x509` makes it.
    pub(crate) fn postgresql_of_its_own_authority() -> Option<Self> {
        Self::postgresql_with(|folder, account| {
            let key_pair = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let pem = params.self_signed(&key_pair).unwrap().pem();
            let certificate = write(folder, account, "server.pem", &pem);
            let key = write(folder, account, "server.key", &key_pair.serialize_pem());
            (pem, certificate, key)
        })
    }

    fn postgresql_with(
        certificates: impl Fn(&TempDir, Account) -> (String, PathBuf, PathBuf),
    ) -> Option<Self> {
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
        let path = folder.path().to_owned();
        let running = Running::start(server, folder, "database system is ready to accept connections");
        Some(Self { port, authority, folder: path, running })
    }

    /// PgBouncer before the PostgreSQL server at a port, with so many connections to each of its databases, which
    /// all clients share; `None` if it is not installed and that is allowed.
    pub(crate) fn pgbouncer(pool_mode: &str, postgresql: u16, connections: usize) -> Option<Self> {
        let programs = installed("pgbouncer", "pgbouncer", &["/usr/sbin"])?;
        let (folder, account) = folder_for("postgres");
        let users = format!("\"{ADMIN}\" \"{}\"\n", PASSWORD.replace('"', "\"\""));
        let users = write(&folder, account, "users", &users);
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={postgresql}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = {pool_mode}\n\
             default_pool_size = {connections}\n",
            users.display()
        );
        let settings = write(&folder, account, "pgbouncer.ini", &settings);
        let mut server = as_account(&programs.join("pgbouncer"), account);
        server.arg(settings);
        let path = folder.path().to_owned();
        let running = Running::start(server, folder, "process up");
        Some(Self { port, authority: String::new(), folder: path, running })
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
        let path = folder.path().to_owned();
        let running = Running::start(server, folder, "ready for connections");
        Some(Self { port, authority, folder: path, running })
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
