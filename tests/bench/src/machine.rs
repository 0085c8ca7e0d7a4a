//! What the figures were measured on: facts that matter to them, no names and no paths.

use std::path::Path;

use serde::Serialize;

/// Above this load average others used the machine and figures are worth less.
pub const LOAD_MAX: f64 = 1.0;

/// Facts of the machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Processor model.
    pub processor: String,
    /// Processors this process may use.
    pub cores: usize,
    /// Memory, GiB.
    pub memory_gib: u64,
    /// Kernel release.
    pub kernel: String,
    /// File system under the measured files.
    pub file_system: String,
    /// How this program was built.
    pub profile: &'static str,
    /// Load average of the last minute at the start.
    pub load: f64,
}

impl Machine {
    /// Looks at the machine; `dir` is where files will be written.
    pub fn look(dir: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory_kib.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), dir),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            load: read("/proc/loadavg").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0),
        }
    }

    /// One line for a person.
    pub fn text(&self) -> String {
        format!(
            "{} x {}, {} GiB, Linux {}, {}; profile {}; load average at the start {:.2}",
            self.cores, self.processor, self.memory_gib, self.kernel, self.file_system, self.profile, self.load
        )
    }

    /// What makes these figures worth less, if anything.
    pub fn warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.load > LOAD_MAX {
            out.push(format!(
                "load average {:.2} at the start: something else uses this machine; figures are too slow and scatter",
                self.load
            ));
        }
        if self.profile != "release" {
            out.push("not a release build: figures say nothing about accord".to_owned());
        }
        out
    }
}

/// Type of the file system with the longest mount point that holds `dir`.
fn file_system(mounts: &str, dir: &Path) -> String {
    let held = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        dir.starts_with(point).then_some((point.len(), kind))
    });
    held.max_by_key(|(length, _)| *length).map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}

/// Time all threads of a process have run, microseconds; 0 if the kernel does not say.
pub fn processor_us(process: u32) -> f64 {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { return 0.0 };
    let run_ns = |task: std::fs::DirEntry| -> Option<u64> {
        std::fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    tasks.flatten().filter_map(run_ns).sum::<u64>() as f64 / 1_000.0
}

/// Processor time of a process with all its threads, those that ended too, seconds; 0 if the kernel does not say. Steps of 10 ms.
pub fn processor_s(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything: state is field 3, user and system time are 14 and 15, in hundredths.
    let fields: Vec<&str> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(14) + ticks(15)) / 100.0
}

/// Resident memory of a process now, and the most it ever had, MiB.
pub fn memory_mb(process: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let of = |name: &str| -> f64 {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mount_point_names_the_file_system() {
        let mounts = "d / ext4 rw 0 0\nt /tmp tmpfs rw 0 0\n";
        let check = |dir: &str, expect: &str| assert_eq!(file_system(mounts, Path::new(dir)), expect);
        check("/tmp/x", "tmpfs");
        check("/tmpx", "ext4");
        check("/home", "ext4");
    }

    #[test]
    fn this_process_has_run_for_some_time() {
        assert!(processor_us(std::process::id()) > 0.0);
        let (now, most) = memory_mb(std::process::id());
        assert!(now > 0.5 && most >= now);
        // A tenth of a second of work is seen.
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(200) {
            std::hint::black_box(quantity());
        }
        assert!(processor_s(std::process::id()) >= 0.01);
    }

    fn quantity() -> u64 {
        (0..1_000u64).fold(7, |sum, n| sum.rotate_left(5) ^ n)
    }
}
