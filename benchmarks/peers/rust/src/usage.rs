//! Time and memory of this process, in milliseconds and bytes (Linux).

use std::fs;
use std::time::Instant;

pub struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu_ms(),
        }
    }

    /// Wall and CPU time since the start, of all threads.
    pub fn read(&self) -> (f64, f64) {
        (self.wall.elapsed().as_secs_f64() * 1e3, cpu_ms() - self.cpu)
    }
}

fn cpu_ms() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn status(field: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .expect("a known field");
    let kilobytes: f64 = line
        .trim_start_matches(':')
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    kilobytes * 1024.0
}

/// Resident memory after the allocator gave back what it can.
pub fn resident() -> f64 {
    unsafe { libc::malloc_trim(0) };
    status("VmRSS")
}

pub fn peak() -> f64 {
    status("VmHWM")
}

/// Makes `peak` count from now on.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("the peak can be reset");
}
