//! What real servers for tests have in common: a free port of this machine, a folder of their own, a process that is
//! ready when it is handed over, and gone when it is dropped.
//!
//! They come from Debian packages (`build.sh test` installs them). Where one is missing its tests fail and say so, unless
//! `OUTRIDER_ALLOW_SKIP=1`.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long a server may take to be ready, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// The process of a server, and its folder.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    folder: TempDir,
}

impl Running {
    /// Starts `command`, and waits until its log says `ready`.
    pub(crate) fn start(mut command: Command, folder: TempDir, ready: &str) -> Self {
        let path = folder.path().join("log");
        let log = File::create(&path).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut server = Self { process, folder };
        let begun = Instant::now();
        loop {
            let log = std::fs::read(&path).unwrap();
            let log = String::from_utf8_lossy(&log);
            if log.contains(ready) {
                return server;
            }
            let ended = server.process.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "{} is not ready ({ended:?}, {}):\n{log}",
                command.get_program().display(),
                server.folder.path().display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A shell that ends it, and removes its folder, when this program is gone: what is in a static is never dropped.
    fn keeper(&self) -> Child {
        let mut shell = Command::new("sh");
        // Reads until the other end is closed, which is when this program ends, be it by a signal.
        shell.args(["-c", "read -r _; kill -9 \"$1\"; rm -rf \"$2\"", "sh"]);
        shell.arg(self.process.id().to_string()).arg(self.folder.path());
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Ends it at once, as a crash would, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Lets it do nothing any more, though its connections stay, until what is returned is dropped.
    pub(crate) fn pause(&self) -> Paused {
        let process = Pid::from_child(&self.process);
        kill_process(process, Signal::STOP).unwrap();
        Paused(process)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server that does nothing while this lives.
#[derive(Debug)]
pub(crate) struct Paused(Pid);

impl Drop for Paused {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// A server that all tests of a program share: the first that needs it starts it.
#[derive(Debug)]
pub(crate) struct Shared<S>(OnceLock<Option<(Arc<S>, Child)>>);

impl<S: AsRef<Running>> Shared<S> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The one that is running, else what `start` starts; `None` if that was nothing.
    pub(crate) fn get(&self, start: impl FnOnce() -> Option<S>) -> Option<Arc<S>> {
        let started = self.0.get_or_init(|| {
            let server = start()?;
            let keeper = server.as_ref().keeper();
            Some((Arc::new(server), keeper))
        });
        started.as_ref().map(|(server, _)| Arc::clone(server))
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The folder of a program: the newest of `folders`, in which a `*` stands for a version, or on the PATH. `None` if it is
/// not installed and that is allowed.
///
/// # Panics
/// If it is not installed and that is not allowed.
pub(crate) fn installed(program: &str, package: &str, folders: &[&str]) -> Option<PathBuf> {
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
        assert!(
            std::env::var_os("OUTRIDER_ALLOW_SKIP").is_some_and(|value| value == "1"),
            "{program} is missing: install the Debian package {package} (./build.sh test does), or set OUTRIDER_ALLOW_SKIP=1"
        );
        eprintln!("skipped: {program} is missing (Debian package {package})");
    }
    folder
}
