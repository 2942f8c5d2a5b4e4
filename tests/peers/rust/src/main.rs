//! What Evervault's crate attestation-doc-validation takes: rust DOC TIME prints the microseconds of processor
//! time of a verification. The crate trusts AWS's root alone, and asks the system for the time, which therefore is
//! TIME here: what the program defines is taken before what the C library does. rust DOC TIME N verifies N times
//! and prints nothing, for who counts instructions.

use std::ffi::{c_int, c_long};
use std::process::exit;
use std::sync::atomic::{AtomicI64, Ordering};

use attestation_doc_validation::validate_and_parse_attestation_doc;

const ROUNDS: usize = 20;
const ROUND_US: f64 = 50000.0;

static TIME: AtomicI64 = AtomicI64::new(0);

#[repr(C)]
pub struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

extern "C" {
    fn clock() -> c_long; // microseconds of processor time: POSIX has CLOCKS_PER_SEC so
}

/// # Safety
/// As of the C library's: RET is good.
#[no_mangle]
pub unsafe extern "C" fn clock_gettime(_clock: c_int, ret: *mut Timespec) -> c_int {
    *ret = Timespec {
        seconds: TIME.load(Ordering::Relaxed),
        nanoseconds: 0,
    };
    0
}

fn now_us() -> f64 {
    unsafe { clock() as f64 }
}

fn fail(what: impl std::fmt::Display) -> ! {
    eprintln!("rust: {what}");
    exit(1)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, path, time, times @ ..] = args.as_slice() else {
        fail("usage: rust DOC TIME [N]")
    };
    let doc = std::fs::read(path).unwrap_or_else(|e| fail(e));
    TIME.store(time.parse().unwrap_or_else(|e| fail(e)), Ordering::Relaxed);
    let once = || {
        if let Err(e) = validate_and_parse_attestation_doc(&doc) {
            fail(e)
        }
    };
    if let [times] = times {
        (0..times.parse().unwrap_or_else(|e| fail(e))).for_each(|_: u32| once());
        return;
    }
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (start, mut n, mut took) = (now_us(), 0, 0.0);
        while took < ROUND_US {
            once();
            n += 1;
            took = now_us() - start;
        }
        best = best.min(took / f64::from(n));
    }
    println!("verify {best:.1}");
}
