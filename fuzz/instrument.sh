#!/bin/sh
# Cargo calls this in the place of rustc (RUSTC_WRAPPER). It has the crates that read bytes count which of their edges are
# reached, for libFuzzer; instrumenting the others would make them slower and teach it nothing. The flags are those of
# `cargo fuzz --sanitizer none`, and all of them are stable.
case " $* " in
  *" --crate-name outrider "* | *" --crate-name outrider_detect "* | *" --crate-name outrider_forest "* | \
    *" --crate-name serde_json "* | *" --crate-name outrider_fuzz "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$@"
