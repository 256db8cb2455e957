//! Looks for libpcap, and notes which commit is built.
//!
//! The crate `pcap` compiles without libpcap: only linking fails. So that the whole program builds on a machine
//! that lacks it, nothing refers to that crate unless the library is found here: the cfg `libpcap` says so.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where libraries lie beside the folders of the target's own triple.
const LIBRARY_DIRS: [&str; 5] = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"];
/// What the linker takes for `-lpcap`.
const LIBRARY_FILES: [&str; 4] = ["libpcap.so", "libpcap.a", "libpcap.dylib", "libpcap.tbd"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(libpcap)");
    println!("cargo::rerun-if-env-changed=QSCOPE_WITHOUT_LIBPCAP");
    if env::var_os("CARGO_FEATURE_LIVE").is_some() && has_libpcap() {
        println!("cargo::rustc-cfg=libpcap");
    }
    println!("cargo::rustc-env=QSCOPE_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
}

/// Whether the linker will find libpcap. `QSCOPE_WITHOUT_LIBPCAP` says that it shall not be used.
fn has_libpcap() -> bool {
    if env::var_os("QSCOPE_WITHOUT_LIBPCAP").is_some() {
        return false;
    }
    // Where the crate `pcap` is told to look.
    println!("cargo::rerun-if-env-changed=LIBPCAP_LIBDIR");
    if let Some(dir) = env::var_os("LIBPCAP_LIBDIR") {
        return holds_libpcap(Path::new(&dir));
    }
    // Of another target's libraries nothing is known.
    if env::var_os("HOST") != env::var_os("TARGET") {
        return false;
    }
    pkg_config::Config::new().cargo_metadata(false).env_metadata(true).probe("libpcap").is_ok()
        || library_dirs().iter().any(|dir| holds_libpcap(dir))
}

fn library_dirs() -> Vec<PathBuf> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let triple = format!("/usr/lib/{arch}-linux-gnu");
    let brew = ["/opt/homebrew/opt/libpcap/lib", "/usr/local/opt/libpcap/lib"];
    LIBRARY_DIRS.iter().copied().chain([triple.as_str()]).chain(brew).map(PathBuf::from).collect()
}

fn holds_libpcap(dir: &Path) -> bool {
    LIBRARY_FILES.iter().any(|file| dir.join(file).exists())
}

/// The commit of the checkout, abbreviated.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "--git-path", "HEAD"])?;
    println!("cargo::rerun-if-changed={head}");
    if let Some(reference) = git(&["symbolic-ref", "-q", "HEAD"]).filter(|name| !name.is_empty()) {
        let file = git(&["rev-parse", "--git-path", &reference])?;
        if Path::new(&file).exists() {
            println!("cargo::rerun-if-changed={file}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}
