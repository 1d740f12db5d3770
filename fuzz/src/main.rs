//! Throws bytes at the target that `OUTRIDER_FUZZ_TARGET` names; with `list` in its place, lists the targets.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use outrider::fuzz_targets::{Target, all, find};

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("OUTRIDER_FUZZ_TARGET").unwrap_or_default();
    find(&name).unwrap_or_else(|| {
        for target in all() {
            println!("{}", target.name);
        }
        std::process::exit(if name == "list" { 0 } else { 2 });
    })
});

fuzz_target!(init: { LazyLock::force(&TARGET); }, |data: &[u8]| (TARGET.run)(data));
