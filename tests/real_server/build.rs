//! The `v8` crate wants a prebuilt library of V8 from the network. Here it gets an empty one
//! (`RUSTY_V8_ARCHIVE` names it), and what is missing in that is linked from here: functions that
//! end the program. V8 starts with the first JavaScript module, and `publishing.rs` refuses those,
//! so none of them is ever called.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=v8-stubs.txt");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let names = std::fs::read_to_string("v8-stubs.txt").expect("it lies beside build.rs");
    let source: String = names
        .lines()
        .map(|name| format!("__attribute__((weak)) void {name}(void) {{ __builtin_trap(); }}\n"))
        .collect();
    std::fs::write(out.join("stubs.c"), source).expect("the folder is cargo's");
    let done = Command::new("cc")
        .args(["-w", "-c", "stubs.c", "-o", "stubs.o"])
        .current_dir(&out)
        .status()
        .expect("a C compiler");
    assert!(done.success(), "the C compiler failed");
    println!("cargo:rustc-link-arg-bins={}", out.join("stubs.o").display());
}
