//! What the allocator keeps of what was given back to it.
//!
//! glibc gives each of up to eight threads a core an arena of its own, and holds on to what is freed in one. After two hundred
//! clients had asked for a while (`./build.sh soak`), 678 MiB were resident where 400 MiB were reckoned with; with the bounds
//! here, 238 MiB. musl's allocator, which the plugin is linked with where musl is installed, has one arena and needs none
//! of this.

/// Bounds what the allocator keeps. To be called before there are other threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "there is no other way to tell glibc's allocator")]
pub(super) fn give_back_what_is_free() {
    /// Threads that allocate at the same time share so many arenas.
    const ARENAS: libc::c_int = 4;
    /// What is this large comes from the system and goes back to it.
    const LARGE_BYTES: libc::c_int = 512 * 1024;
    /// As much may be free at the end of an arena.
    const FREE_BYTES: libc::c_int = 1024 * 1024;
    for (parameter, value) in [
        (libc::M_ARENA_MAX, ARENAS),
        (libc::M_MMAP_THRESHOLD, LARGE_BYTES),
        (libc::M_TRIM_THRESHOLD, FREE_BYTES),
    ] {
        // SAFETY: `mallopt` takes two numbers and sets a parameter of the allocator; no other thread is there to allocate
        // meanwhile, and a value that it does not like it refuses.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators need no bounds.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back_what_is_free() {}
