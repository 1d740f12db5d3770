//! Where the host reaches the plugin: a unix socket that no other user of the machine can open.
//!
//! Whoever reaches the plugin's gRPC server hands it the settings, and with them any file and any address the plugin's
//! user may use. So it listens where the file system says who may connect: a socket of mode 0600 in a folder of mode
//! 0700 of its own, below the folder that go-plugin's own server would take. A TCP port has no such guard; it is used only
//! where the operator asks for one.
//!
//! The folder is locked (`flock`) for as long as its process lives, so that what a killed process left behind is told
//! from what is in use, whatever became of its process id, and is cleared away at the next start.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File, Permissions};
use std::hash::BuildHasher as _;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Environment variable with the folder for sockets, as go-plugin's server reads it. Default the folder for temporary
/// files.
const SOCKET_DIR: &str = "PLUGIN_UNIX_SOCKET_DIR";
/// Environment variable with a group, by name or number, that may connect besides the owner, as go-plugin's server
/// reads it.
const SOCKET_GROUP: &str = "PLUGIN_UNIX_SOCKET_GROUP";
/// Environment variable that asks for a TCP port of the loopback interface instead. Grafana sets it from `listen_tcp` in
/// the section `[plugin.outrider-outliers-datasource]` of its configuration.
const LISTEN_TCP: &str = "GF_PLUGIN_LISTEN_TCP";

/// What a folder of ours is called: this, and a number in hexadecimal that nobody can guess, since whoever could would
/// take the names before us. It is short because the path of a socket is.
const PREFIX: &str = "outrider-plugin-";
const SOCKET: &str = "grpc.sock";

/// Longest path of a socket that every system takes: macOS has 104 bytes with the final zero, Linux 108.
const MAX_PATH_BYTES: usize = 103;

/// How many names are tried; that one is taken by chance does not happen.
const MOST_TRIES: u32 = 100;

/// The pause after a connection that could not be taken, doubled up to the second for as long as that lasts.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// A listener, and what has to be cleared away once it is no longer needed.
#[derive(Debug)]
pub(super) enum Listener {
    /// The rule.
    Unix(UnixListener, SocketFolder),
    /// On request.
    Tcp(TcpListener),
}

/// The folder of a socket, removed with it when dropped.
#[derive(Debug)]
pub(super) struct SocketFolder {
    path: PathBuf,
    /// Open for the lock on it.
    _locked: File,
}

impl Listener {
    /// Network and address, as the handshake names them.
    pub(super) fn address(&self) -> io::Result<(&'static str, String)> {
        match self {
            Self::Unix(_, folder) => {
                let path = folder.socket();
                let text = path.to_str().ok_or_else(|| unusable(&path, "is not UTF-8"))?;
                Ok(("unix", text.to_owned()))
            }
            Self::Tcp(listener) => Ok(("tcp", listener.local_addr()?.to_string())),
        }
    }
}

/// Listens where the environment says.
pub(super) async fn bind() -> io::Result<Listener> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if variable(LISTEN_TCP).is_some_and(|value| matches!(value.trim(), "true" | "1")) {
        tracing::warn!("listening on a TCP port, which every local user can reach, because of {LISTEN_TCP}");
        let port = |name: &str| variable(name).and_then(|text| text.trim().parse::<u16>().ok());
        return bind_port(port("PLUGIN_MIN_PORT").zip(port("PLUGIN_MAX_PORT"))).await.map(Listener::Tcp);
    }
    let base = variable(SOCKET_DIR).map_or_else(std::env::temp_dir, PathBuf::from);
    bind_socket(&base, variable(SOCKET_GROUP).as_deref()).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "cannot listen on a unix socket: {error}; give Grafana a folder for temporary files that it can write \
                 to, or, where no other user can log in, set listen_tcp = true in the section \
                 [plugin.outrider-outliers-datasource] of grafana.ini"
            ),
        )
    })
}

/// The connections to a socket, without end.
pub(super) fn unix_connections(listener: UnixListener) -> impl Stream<Item = io::Result<UnixStream>> {
    connections(async move || listener.accept().await.map(|(stream, _)| stream))
}

/// The connections to a port, without end.
pub(super) fn tcp_connections(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    connections(async move || {
        let (stream, _) = listener.accept().await?;
        // Small answers must not wait for Nagle's algorithm: 44 ms a query without this.
        stream.set_nodelay(true)?;
        Ok(stream)
    })
}

/// What `accept` yields. A server ends with the first error of its listener; but most pass, such as that the process has
/// as many files open as it may, and with an end of the server Grafana would lose its plugin. So the next connection is
/// tried for again, after a pause, and errors are logged once until one succeeds.
fn connections<T>(accept: impl AsyncFn() -> io::Result<T>) -> impl Stream<Item = io::Result<T>> {
    stream::unfold(accept, async |accept| {
        let mut pause = ACCEPT_PAUSE;
        loop {
            match accept().await {
                Ok(stream) => return Some((Ok(stream), accept)),
                Err(error) => {
                    if pause == ACCEPT_PAUSE {
                        tracing::warn!(%error, "a connection cannot be taken, trying again");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(LONGEST_ACCEPT_PAUSE);
                }
            }
        }
    })
}

fn bind_socket(base: &Path, group: Option<&str>) -> io::Result<Listener> {
    check_base(base)?;
    let group = group.map(group_id).transpose()?;
    remove_abandoned(base);
    let folder = SocketFolder::create(base)?;
    let socket = folder.socket();
    let listener = UnixListener::bind(&socket)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", socket.display())))?;
    fs::set_permissions(&socket, Permissions::from_mode(if group.is_some() { 0o660 } else { 0o600 }))?;
    if group.is_some() {
        chown(&socket, None, group)?;
        chown(&folder.path, None, group)?;
        // To pass through, not to list and not to write.
        fs::set_permissions(&folder.path, Permissions::from_mode(0o710))?;
    }
    Ok(Listener::Unix(listener, folder))
}

impl SocketFolder {
    fn create(base: &Path) -> io::Result<Self> {
        Self::create_named(base, random)
    }

    fn create_named(base: &Path, mut number: impl FnMut() -> u32) -> io::Result<Self> {
        for _ in 0..MOST_TRIES {
            let path = base.join(format!("{PREFIX}{:08x}", number()));
            check_path(&path.join(SOCKET))?;
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => {
                    return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())));
                }
            }
            // Another plugin that starts now may hold it for abandoned until it is locked, and clear it away.
            if let Some(locked) = lock(&path) {
                return Ok(Self { path, _locked: locked });
            }
        }
        Err(unusable(base, &format!("has a folder by each of {MOST_TRIES} random names {PREFIX}…")))
    }

    fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

impl Drop for SocketFolder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// From the system's randomness, which keys the hashes of the standard library.
fn random() -> u32 {
    RandomState::new().hash_one(0) as u32
}

/// The folder, open and locked; `None` if someone else has it, or it is not ours or not there.
fn lock(path: &Path) -> Option<File> {
    // A link in its place is not followed, and neither is a folder of someone else touched.
    let is_ours = |found: &fs::Metadata| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).ok().filter(is_ours)?;
    let folder = File::open(path).ok()?;
    folder.try_lock().ok()?;
    let (locked, found) = (folder.metadata().ok()?, fs::symlink_metadata(path).ok()?);
    ((locked.dev(), locked.ino()) == (found.dev(), found.ino())).then_some(folder)
}

/// Clears away what processes of this user left behind that were killed.
fn remove_abandoned(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let is_named_so = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .is_some_and(|number| u32::from_str_radix(number, 16).is_ok());
        if is_named_so && let Some(_locked) = lock(&entry.path()) {
            tracing::debug!(folder = %entry.path().display(), "removing an abandoned socket");
            remove(&entry.path());
        }
    }
}

/// Only what is ever in it: a folder with anything else stays.
fn remove(folder: &Path) {
    let _ = fs::remove_file(folder.join(SOCKET));
    let _ = fs::remove_dir(folder);
}

/// In a folder where others may rename what is ours, someone could put a socket of his own in place of it.
fn check_base(base: &Path) -> io::Result<()> {
    let found = fs::metadata(base)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", base.display())))?;
    if !found.is_dir() {
        return Err(unusable(base, "is not a folder"));
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        return Err(unusable(base, "belongs to another user"));
    }
    const STICKY: u32 = 0o1000;
    if found.mode() & 0o002 != 0 && found.mode() & STICKY == 0 {
        return Err(unusable(base, "can be written to by everyone and lacks the sticky bit"));
    }
    Ok(())
}

/// Whether the handshake and the system can carry a path.
fn check_path(socket: &Path) -> io::Result<()> {
    let bytes = socket.as_os_str().as_encoded_bytes();
    if bytes.len() > MAX_PATH_BYTES {
        return Err(unusable(
            socket,
            &format!("is longer than the {MAX_PATH_BYTES} bytes of a socket's path"),
        ));
    }
    if bytes.iter().any(|byte| *byte == b'|' || byte.is_ascii_control()) {
        return Err(unusable(socket, "has a | or a control character, which the handshake cannot carry"));
    }
    Ok(())
}

/// The number of a group that is named, or numbered already.
fn group_id(group: &str) -> io::Result<u32> {
    let group = group.trim();
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    fs::read_to_string("/etc/group")?
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
        })
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{SOCKET_GROUP}: no group {group:?}")))
}

fn unusable(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} {why}", path.display()))
}

/// A listener on the loopback interface, on a port of the range the host asks for, or any free one.
async fn bind_port(range: Option<(u16, u16)>) -> io::Result<TcpListener> {
    let Some((min, max)) = range.filter(|(_, max)| *max > 0) else {
        return TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    };
    for port in min..=max {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no port from PLUGIN_MIN_PORT {min} to PLUGIN_MAX_PORT {max} is free"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn socket_of(listener: &Listener) -> PathBuf {
        PathBuf::from(listener.address().unwrap().1)
    }

    #[tokio::test]
    async fn only_its_owner_can_reach_the_socket_and_it_goes_with_the_listener() {
        let base = tempfile::tempdir().unwrap();
        let listener = bind_socket(base.path(), None).unwrap();
        assert_eq!(listener.address().unwrap().0, "unix");
        let socket = socket_of(&listener);
        assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
        std::os::unix::net::UnixStream::connect(&socket).unwrap();
        let beside = bind_socket(base.path(), None).unwrap();
        assert!(socket.exists(), "a second plugin leaves the socket of the first one alone");
        drop((listener, beside));
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let below = |name: &str| base.path().join(name);
        // A socket whose listener is gone, as after a `kill -9`, and folders that only look like one.
        for name in ["outrider-plugin-0", "outrider-plugin-1", "outrider-plugin-x", "outrider"] {
            fs::create_dir(below(name)).unwrap();
            drop(UnixListener::bind(below(name).join(SOCKET)).unwrap());
        }
        fs::write(below("outrider-plugin-1").join("notes"), "mine").unwrap();
        std::os::unix::fs::symlink(below("outrider"), below("outrider-plugin-2")).unwrap();
        let listener = bind_socket(base.path(), None).unwrap();
        assert!(!below("outrider-plugin-0").exists());
        assert!(std::os::unix::net::UnixStream::connect(socket_of(&listener)).is_ok());
        assert!(below("outrider-plugin-1").join("notes").exists());
        assert!(below("outrider-plugin-x").join(SOCKET).exists() && below("outrider").join(SOCKET).exists());
    }

    #[test]
    fn nobody_can_take_all_names_before_us() {
        let base = tempfile::tempdir().unwrap();
        for number in 0..3 {
            fs::create_dir(base.path().join(format!("{PREFIX}{number:08x}"))).unwrap();
        }
        let mut next = 0..;
        let folder = SocketFolder::create_named(base.path(), || next.next().unwrap()).unwrap();
        assert_eq!(folder.path, base.path().join(format!("{PREFIX}{:08x}", 3)));
        let folders: Vec<_> = (0..20).map(|_| SocketFolder::create(base.path()).unwrap()).collect();
        let numbers: std::collections::BTreeSet<u32> = folders
            .iter()
            .map(|folder| folder.path.file_name().unwrap().to_str().unwrap().strip_prefix(PREFIX).unwrap())
            .map(|number| u32::from_str_radix(number, 16).unwrap())
            .collect();
        assert!(numbers.len() == 20 && numbers.iter().any(|number| *number > 1 << 16), "{numbers:?}");
        assert!(SocketFolder::create_named(base.path(), || 0).is_err(), "it ends");
    }

    #[tokio::test]
    async fn a_group_may_be_let_in_by_number_and_by_name() {
        assert_eq!(group_id("root").unwrap(), 0);
        assert!(group_id("no-such-group").unwrap_err().to_string().contains("PLUGIN_UNIX_SOCKET_GROUP"));
        let base = tempfile::tempdir().unwrap();
        let own = rustix::process::getegid().as_raw().to_string();
        let listener = bind_socket(base.path(), Some(&own)).unwrap();
        let socket = socket_of(&listener);
        assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o660, 0o710));
        assert_eq!(fs::metadata(&socket).unwrap().gid().to_string(), own);
    }

    #[test]
    fn a_folder_that_cannot_guard_a_socket_is_refused() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o777)).unwrap();
        let refused = |base: &Path| bind_socket(base, None).unwrap_err().to_string();
        assert!(refused(base.path()).contains("sticky"), "{}", refused(base.path()));
        fs::set_permissions(base.path(), Permissions::from_mode(0o1777)).unwrap();
        assert!(check_base(base.path()).is_ok());
        assert!(refused(&base.path().join("missing")).contains("missing"));
        for (name, words) in [("a|b", "handshake"), (&"x".repeat(100), "longer")] {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            assert!(refused(&folder).contains(words), "{}", refused(&folder));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_taken_again_once_there_are_files_to_be_had() {
        use std::cell::Cell;

        use futures_util::StreamExt as _;
        let asked = Cell::new(0);
        let accept = async || {
            asked.set(asked.get() + 1);
            match asked.get() {
                1 | 12 => Ok(asked.get()),
                2..=10 => Err(rustix::io::Errno::MFILE.into()),
                _ => Err(io::ErrorKind::ConnectionAborted.into()),
            }
        };
        let begun = tokio::time::Instant::now();
        let taken: Vec<_> = connections(accept).take(2).map(Result::unwrap).collect().await;
        assert_eq!(taken, [1, 12]);
        // 10 ms, doubled six times, and then a second at a time.
        assert_eq!(begun.elapsed(), Duration::from_millis(10 + 20 + 40 + 80 + 160 + 320 + 640 + 3 * 1_000));
    }

    #[tokio::test]
    async fn a_port_range_is_kept_to_and_a_taken_port_skipped() {
        let taken = bind_port(None).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind_port(Some((port, port))).await.unwrap_err();
        assert!(error.to_string().contains("PLUGIN_MIN_PORT"), "{error}");
        let next = bind_port(Some((port, u16::MAX))).await.unwrap();
        assert!(next.local_addr().unwrap().port() > port);
    }
}
