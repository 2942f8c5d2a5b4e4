// verify in Rust: see verify.c.
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_uint, c_void};
use std::{env, fs, process, ptr, slice, str};

#[repr(C)]
#[derive(Clone, Copy)]
struct Bytes {
    data: *const u8,
    len: usize,
}

impl Bytes {
    const ABSENT: Bytes = Bytes {
        data: ptr::null(),
        len: 0,
    };

    /// Of a document whose bytes are still there.
    unsafe fn get<'a>(self) -> Option<&'a [u8]> {
        if self.data.is_null() {
            None
        } else {
            Some(slice::from_raw_parts(self.data, self.len))
        }
    }
}

#[repr(C)]
struct Doc {
    protected_header: Bytes,
    algorithm: i64,
    payload: Bytes,
    signature: Bytes,
    kind: c_uint,
    module_id: Bytes,
    digest: Bytes,
    timestamp_ms: u64,
    pcr: [Bytes; 32],
    certificate: Bytes,
    cabundle: [Bytes; 16],
    cabundle_count: usize,
    public_key: Bytes,
    user_data: Bytes,
    nonce: Bytes,
    reserved: [Bytes; 4],
}

#[repr(C)]
struct Report {
    checked: u32,
    pcrs_checked: u32,
    debug: c_uint,
    object: [c_char; 32],
    reserved: [u32; 8],
}

#[repr(C)]
struct RawPolicy {
    _opaque: [u8; 0],
}

extern "C" {
    fn nsmc_error_text(r: c_int) -> *const c_char;
    fn nsmc_error_name(r: c_int) -> *const c_char;
    fn nsmc_policy_new(ret: *mut *mut RawPolicy) -> c_int;
    fn nsmc_policy_free(policy: *mut RawPolicy);
    fn nsmc_policy_root(policy: *mut RawPolicy, der: *const c_void, len: usize) -> c_int;
    fn nsmc_policy_time(policy: *mut RawPolicy, time_s: i64) -> c_int;
    fn nsmc_policy_field(
        policy: *mut RawPolicy,
        field: c_uint,
        value: *const c_void,
        len: usize,
    ) -> c_int;
    fn nsmc_policy_pcr(
        policy: *mut RawPolicy,
        index: c_uint,
        value: *const c_void,
        len: usize,
    ) -> c_int;
    fn nsmc_doc_verify(
        buf: *const c_void,
        len: usize,
        policy: *const RawPolicy,
        cache: *mut c_void,
        ret_doc: *mut Doc,
        ret_report: *mut Report,
    ) -> c_int;
}

struct Policy(*mut RawPolicy);

impl Drop for Policy {
    fn drop(&mut self) {
        unsafe { nsmc_policy_free(self.0) }
    }
}

fn text(s: *const c_char) -> String {
    unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned()
}

fn must(r: c_int) {
    if r != 0 {
        eprintln!("{}", text(unsafe { nsmc_error_text(r) }));
        process::exit(2);
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal"))
        .collect()
}

fn run(args: &[String]) -> c_int {
    let mut raw = ptr::null_mut();
    must(unsafe { nsmc_policy_new(&mut raw) });
    let policy = Policy(raw);
    let bytes = |b: &[u8]| b.as_ptr() as *const c_void;
    if args[1] != "-" {
        let root = fs::read(&args[1]).expect("ROOT");
        must(unsafe { nsmc_policy_root(policy.0, bytes(&root), root.len()) });
    }
    must(unsafe { nsmc_policy_time(policy.0, args[2].parse().expect("TIME")) });
    let nonce = unhex(&args[3]);
    must(unsafe { nsmc_policy_field(policy.0, 0, bytes(&nonce), nonce.len()) });
    let pcr = unhex(&args[4]);
    must(unsafe { nsmc_policy_pcr(policy.0, 0, bytes(&pcr), pcr.len()) });

    let document = fs::read(&args[0]).expect("DOC");
    let mut doc: Doc = unsafe { std::mem::zeroed() };
    let mut report: Report = unsafe { std::mem::zeroed() };
    let r = unsafe {
        nsmc_doc_verify(
            bytes(&document),
            document.len(),
            policy.0,
            ptr::null_mut(),
            &mut doc,
            &mut report,
        )
    };
    let verdict = if r == 0 {
        "good".to_string()
    } else {
        text(unsafe { nsmc_error_name(r) })
    };
    let object = text(report.object.as_ptr());
    let id = unsafe { doc.module_id.get() }.map_or("-", |b| str::from_utf8(b).expect("UTF-8"));
    let object = if object.is_empty() { "-" } else { &object };
    println!(
        "{} {} {:x} {:x} {} {}",
        verdict, object, report.checked, report.pcrs_checked, report.debug, id
    );
    // What is behind the module_id lies where C has it, too.
    let absent = Bytes::ABSENT;
    assert!(doc
        .reserved
        .iter()
        .all(|b| b.data == absent.data && b.len == absent.len));
    assert!(report.reserved.iter().all(|&n| n == 0));
    if r == 0 {
        assert_eq!(unsafe { doc.nonce.get() }, Some(&nonce[..]));
        assert_eq!(unsafe { doc.pcr[0].get() }, Some(&pcr[..]));
        assert!(doc.cabundle_count == 4 && doc.algorithm == -35);
    }
    if r == 0 {
        0
    } else {
        1
    }
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    process::exit(run(&args));
}
