//! Fuzz targets: one for everything that reads what somebody else wrote, with what must hold of its result.
//!
//! They are here and not in `fuzz/` because most of what they call is private to its module; each stands in a file
//! `fuzzing.rs` beside it. `fuzz/` links them all into one program, which throws bytes at the one it is told
//! (`./build.sh fuzz`); `cargo test` runs every target on the seeds in `fuzz/corpus` and on all beginnings of them.
//! Built for tests and with the feature `fuzzing` only. A target panics where something does not hold.

pub use crate::fuzzing::Target;
use crate::source::SOURCES;

/// Every target that belongs to no kind of source.
const TARGETS: &[&[Target]] = &[
    crate::source::fuzzing::TARGETS,
    crate::query::fuzzing::TARGETS,
    crate::settings::fuzzing::TARGETS,
    #[cfg(feature = "cli")]
    crate::cli::fuzzing::TARGETS,
];

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    all().find(|target| target.name == name)
}

/// Every target, one after the other.
pub fn all() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().copied().chain(SOURCES.iter().map(|entry| entry.fuzz)).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn corpus() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
    }

    #[test]
    fn every_target_has_seeds_and_every_seed_a_target() {
        let names: BTreeSet<String> = all().map(|target| target.name.to_owned()).collect();
        assert_eq!(names.len(), all().count(), "a name is given twice");
        let folders: BTreeSet<String> = std::fs::read_dir(corpus())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(folders, names);
    }

    #[test]
    fn every_beginning_of_every_seed_keeps_what_is_promised() {
        for target in all() {
            let seeds = std::fs::read_dir(corpus().join(target.name)).unwrap();
            let mut count = 0;
            for seed in seeds {
                let path = seed.unwrap().path();
                let bytes = std::fs::read(&path).unwrap();
                assert!(bytes.len() < 2_000, "{}: seeds are small", path.display());
                for end in 0..=bytes.len() {
                    (target.run)(&bytes[..end]);
                }
                count += 1;
            }
            assert!(count >= 2, "{}: too few seeds", target.name);
        }
    }
}
