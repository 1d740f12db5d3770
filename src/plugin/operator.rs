//! What the operator of Grafana says, in the section `[plugin.outrider-outliers-datasource]` of its configuration, which
//! Grafana hands on as environment variables; and what is so where he says nothing.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::engine::{DEFAULT_CACHE_BYTES, DEFAULT_QUERY_TIME};
use crate::settings::Operator;

/// Size of the cache in MiB; 0 switches it off.
const CACHE_MIB: &str = "GF_PLUGIN_CACHE_MIB";
/// The most memory of the process in MiB.
const MEMORY_MIB: &str = "GF_PLUGIN_MEMORY_MIB";
/// The longest that a query may take, in seconds.
const QUERY_SECS: &str = "GF_PLUGIN_QUERY_SECS";
/// Directories below which SQLite databases may be read, separated by commas.
const SQLITE_DIRECTORIES: &str = "GF_PLUGIN_SQLITE_DIRECTORIES";

const MIB: usize = 1024 * 1024;
/// What the process takes before any query: code, threads, connections.
const BASE_BYTES: usize = 48 * MIB;
/// What SQLite may take: its share is an eighth, but no less and no more than these.
const LEAST_SQLITE_BYTES: usize = 16 * MIB;
const MOST_SQLITE_BYTES: usize = 256 * MIB;
/// The least there is for queries, or none could be answered.
const LEAST_BYTES: usize = 16 * MIB;

/// What the operator says, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Environment {
    /// Bytes of the cache.
    pub(super) cache_bytes: usize,
    /// Bytes that all queries may take together, besides the cache.
    pub(super) query_bytes: usize,
    /// How long each may take.
    pub(super) query_time: Duration,
    /// What data sources may do.
    pub(super) operator: Operator,
}

impl Environment {
    /// That of the process. What cannot be understood is logged, and counts as not said.
    pub(super) fn read() -> Self {
        let number = |name: &str, unit: &str| -> Option<usize> {
            let text = std::env::var(name).ok()?;
            let number = whole_number(&text);
            if number.is_none() && !text.trim().is_empty() {
                tracing::warn!("{name} is not a whole number of {unit}, and is ignored");
            }
            number
        };
        let bytes = |name: &str| number(name, "MiB").map(|mib| mib.saturating_mul(MIB));
        let seconds = number(QUERY_SECS, "seconds");
        let query_time =
            seconds.map_or(DEFAULT_QUERY_TIME, |seconds| Duration::from_secs(seconds.max(1) as u64));
        let all_bytes = bytes(MEMORY_MIB).unwrap_or_else(|| usable_memory() / 2);
        let directories = directories(&std::env::var(SQLITE_DIRECTORIES).unwrap_or_default());
        Self { query_time, ..Self::shares(all_bytes, bytes(CACHE_MIB), directories) }
    }

    /// Shares the memory of the process among cache, SQLite where it is allowed, and queries.
    fn shares(all_bytes: usize, wanted_cache: Option<usize>, sqlite_directories: Vec<PathBuf>) -> Self {
        let cache_bytes = wanted_cache.unwrap_or(DEFAULT_CACHE_BYTES.min(all_bytes / 4)).min(all_bytes / 2);
        if wanted_cache.is_some_and(|wanted| wanted > cache_bytes) {
            tracing::warn!("{CACHE_MIB} is more than half of the plugin's memory, and half of it is used");
        }
        let sqlite_bytes = (all_bytes / 8).clamp(LEAST_SQLITE_BYTES, MOST_SQLITE_BYTES);
        let for_sqlite = if sqlite_directories.is_empty() { 0 } else { sqlite_bytes };
        let query_bytes = all_bytes.saturating_sub(cache_bytes + for_sqlite + BASE_BYTES).max(LEAST_BYTES);
        let operator = Operator { sqlite_directories, sqlite_bytes };
        Self { cache_bytes, query_bytes, query_time: DEFAULT_QUERY_TIME, operator }
    }
}

/// A list of absolute paths, separated by commas. Others are logged, and not allowed.
fn directories(text: &str) -> Vec<PathBuf> {
    let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from);
    let is_usable = |path: &PathBuf| {
        let is_usable = path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
        if !is_usable {
            tracing::warn!(
                "{SQLITE_DIRECTORIES} has a path that is not absolute or holds .., and is ignored"
            );
        }
        is_usable
    };
    paths.filter(is_usable).collect()
}

fn whole_number(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

/// Bytes that this process could use: those of the machine, or fewer where its container or its limits say so.
fn usable_memory() -> usize {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_memory(&text));
    let bound = |resource| getrlimit(resource).current.and_then(|bytes| usize::try_from(bytes).ok());
    [machine, container_limit(Path::new("/sys/fs/cgroup"), &own), bound(Resource::As), bound(Resource::Data)]
        .into_iter()
        .flatten()
        .min()
        // Nothing is known on systems other than Linux.
        .unwrap_or(4 * 1024 * MIB)
}

/// `MemTotal` of `/proc/meminfo`.
fn total_memory(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    whole_number(line.trim().strip_suffix("kB")?)?.checked_mul(1024)
}

/// The smallest limit of the control groups a process is in, of which `/proc/self/cgroup` says `own`: version 2 has one
/// tree, version 1 one a resource. Within a container its own group is the root.
fn container_limit(root: &Path, own: &str) -> Option<usize> {
    let limits = own.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let (tree, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let below = Path::new(path.trim_start_matches('/'));
        below
            .ancestors()
            .filter_map(|group| fs::read_to_string(tree.join(group).join(file)).ok())
            // "max" is no number.
            .filter_map(|text| whole_number(&text))
            .collect()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole() {
        assert_eq!(whole_number(" 256 "), Some(256));
        for wrong in ["", "many", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(whole_number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cache_and_queries_share_the_memory() {
        let shares = |all_mib: usize, cache_mib: Option<usize>| {
            let Environment { cache_bytes, query_bytes, .. } =
                Environment::shares(all_mib * MIB, cache_mib.map(|mib| mib * MIB), Vec::new());
            (cache_bytes / MIB, query_bytes / MIB)
        };
        assert_eq!(shares(1024, None), (64, 912));
        assert_eq!(shares(128, None), (32, 48));
        assert_eq!(shares(1024, Some(0)), (0, 976));
        assert_eq!(shares(1024, Some(900)), (512, 464));
        assert_eq!(shares(1, None), (0, 16));
        let with_sqlite = Environment::shares(1024 * MIB, None, vec!["/srv".into()]);
        assert_eq!((with_sqlite.query_bytes / MIB, with_sqlite.operator.sqlite_bytes / MIB), (784, 128));
    }

    #[test]
    fn directories_are_absolute() {
        let paths =
            |text: &str| directories(text).into_iter().map(|path| path.display().to_string()).collect();
        let of = |text: &str| -> Vec<String> { paths(text) };
        assert_eq!(of(" /var/lib/metrics , /srv/a b,"), ["/var/lib/metrics", "/srv/a b"]);
        assert!(of("").is_empty() && of("relative, /a/../etc, ~/x").is_empty());
    }

    #[test]
    fn the_smallest_limit_on_the_way_to_the_root_counts() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let limit = |own: &str| container_limit(root.path(), own);
        assert_eq!(limit("0::/a/b\n"), None);
        put("a/b/memory.max", "max\n");
        assert_eq!(limit("0::/a/b\n"), None);
        put("a/memory.max", "300\n");
        put("memory.max", "500\n");
        assert_eq!(limit("0::/a/b\n"), Some(300));
        assert_eq!(limit("0::/\n"), Some(500), "as a container sees it");
        put("memory/docker/x/memory.limit_in_bytes", "200\n");
        put("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit("3:cpu:/docker/x\n2:memory:/docker/x\n"), Some(200));
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert_eq!(total_memory("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2048 * 1024));
        assert_eq!(total_memory(""), None);
        assert!(usable_memory() > LEAST_BYTES);
    }
}
