//! How the memory of a daemon is handed out and given back.
//!
//! glibc makes up to eight arenas for each core and lets each keep up to 64 MiB that nobody uses, more as larger pieces come and go: a daemon that sent
//! 400,000 documents held 1,420 MB, and 720 once the allocator was asked to give back what was free. Its bounds are set by the environment a program is started in (mallopt(3)), so a
//! daemon begins by starting itself once more, as the same process.

/// What a daemon sets unless somebody chose for themselves. Two arenas: one core each. Pieces from 1 MiB on are given back at once, others when 4 MiB
/// lie together at an end.
const SETTINGS: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_TRIM_THRESHOLD_", "4194304"), ("MALLOC_MMAP_THRESHOLD_", "1048576")];

/// Says that it was tried: of a program with privileges of its own file the loader takes away what would set the allocator.
const TRIED: &str = "ACCORD_MEMORY_BOUNDED";

/// Starts this process anew with [`SETTINGS`], unless they are there already; comes back where that is so, where they would mean nothing, and where it
/// does not succeed, which costs memory and nothing else once SIGPIPE is handled (`stop_signal` sees to it: trying sets it back to ending the
/// process). To be called before anything else is begun.
pub fn bound() {
    use std::os::unix::process::CommandExt;
    let set = |name: &str| std::env::var_os(name).is_some();
    if !cfg!(all(target_os = "linux", target_env = "gnu")) || set(TRIED) || SETTINGS.iter().any(|(name, _)| set(name)) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut args = std::env::args_os();
    let mut again = std::process::Command::new(program);
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    // Answers only if it failed.
    let _ = again.args(args).envs(SETTINGS).env(TRIED, "1").exec();
}
