//! Drops privileges once the interface is open: parsing captured bytes needs none.
//!
//! This happens before the first thread is started, since privileges are per thread.

use super::error::LiveError;
use crate::output::Folder;
use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};
use std::path::Path;

/// The user that root becomes unless asked otherwise.
pub const CUSTOMARY_USER: &str = "nobody";

/// Who the process is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Becomes {
    name: String,
    user: Uid,
    group: Gid,
}

/// Who the process is to become: the user asked for; root becomes `nobody`; anybody else stays.
///
/// # Errors
/// There is no such user, or only root may become another.
pub fn whom(asked: Option<&str>) -> Result<Option<Becomes>, LiveError> {
    let name = match asked {
        Some(name) => name,
        None if geteuid().is_root() => CUSTOMARY_USER,
        None => return Ok(None),
    };
    let user = User::from_name(name).map_err(|error| LiveError::with(format!("-Z {name}"), error))?;
    let user = user.ok_or_else(|| {
        LiveError::new(format!("-Z: there is no user {name}")).hint("'getent passwd' lists them")
    })?;
    if user.uid == geteuid() {
        return Ok(None);
    }
    if !geteuid().is_root() {
        let what = format!("-Z {name}: only root may become another user");
        return Err(LiveError::new(what).hint("run it with sudo, or without -Z"));
    }
    Ok(Some(Becomes { name: user.name, user: user.uid, group: user.gid }))
}

impl Becomes {
    /// Makes a folder that the user may write to, unless there is one.
    ///
    /// # Errors
    /// It can be neither made nor handed over.
    pub fn makes_folder(&self, option: &str, path: &Path) -> Result<(), LiveError> {
        if path.is_dir() {
            return Ok(());
        }
        let made = Folder::open_or_make(path, Some((self.user, self.group)));
        made.map(drop)
            .map_err(|error| LiveError::new(format!("{option} {}: {}", path.display(), error.sentence())))
    }
}

/// Forbids that any program which is run later gains rights by it: the first thing of all.
///
/// # Errors
/// The system refuses.
pub fn gain_none() -> Result<(), LiveError> {
    no_new_privileges()
}

/// Gives up what is not needed any more, for good. Whoever is not root has no capability afterwards.
///
/// # Errors
/// The system refuses.
pub fn drop_to(user: Option<&Becomes>) -> Result<(), LiveError> {
    if let Some(Becomes { name, user, group }) = user {
        let refused =
            |error| LiveError::with(format!("cannot become {name}"), error).hint("-Z root stays root");
        setgroups(&[*group]).map_err(refused)?;
        setgid(*group).map_err(refused)?;
        setuid(*user).map_err(refused)?;
    }
    if geteuid().is_root() { Ok(()) } else { drop_capabilities() }
}

/// What a unit or a file's capabilities gave, for opening the interface.
#[cfg(target_os = "linux")]
fn drop_capabilities() -> Result<(), LiveError> {
    use caps::CapSet;
    let is_without = |set| caps::read(None, set).is_ok_and(|held| held.is_empty());
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let cleared = caps::clear(None, set);
        // A kernel before 4.3 has no ambient ones.
        if !matches!(set, CapSet::Ambient) && !is_without(set) {
            cleared.map_err(|error| LiveError::with("capabilities", error))?;
        }
    }
    Ok(())
}

/// Elsewhere there is nothing of the kind.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn drop_capabilities() -> Result<(), LiveError> {
    Ok(())
}

/// What the process still needs of the system.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    /// The folder that is followed.
    pub reads: Option<&'a Path>,
    /// The folders that recordings and pages are written to.
    pub writes: [Option<&'a Path>; 2],
    /// The port that is listened on.
    pub port: Option<u16>,
}

/// Confines the process to that by Landlock, as far as the kernel knows it: no other file can be opened, and no
/// connection be made. Whether any of it is in force.
#[cfg(target_os = "linux")]
#[must_use]
pub fn confine(needs: Needs<'_>) -> bool {
    confined(needs).is_ok_and(|status| status != landlock::RulesetStatus::NotEnforced)
}

#[cfg(target_os = "linux")]
fn confined(needs: Needs<'_>) -> Result<landlock::RulesetStatus, landlock::RulesetError> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
        RulesetCreatedAttr, path_beneath_rules,
    };
    // What is newer than this is not restricted; what the kernel does not know of it neither.
    let abi = ABI::V4;
    // libpcap reads its counts from these.
    let system = ["/proc", "/sys"].map(Path::new);
    let reads = system.into_iter().chain(needs.reads);
    let ports = needs.port.map(|port| NetPort::new(port, AccessNet::BindTcp));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(reads, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(needs.writes.into_iter().flatten(), AccessFs::from_all(abi)))?
        .add_rules(ports.map(Ok::<_, landlock::RulesetError>))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// Elsewhere there is nothing of the kind.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn confine(_needs: Needs<'_>) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn no_new_privileges() -> Result<(), LiveError> {
    nix::sys::prctl::set_no_new_privs().map_err(|error| LiveError::with("no_new_privs", error))
}

/// Elsewhere there is nothing of the kind.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn no_new_privileges() -> Result<(), LiveError> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_is_confined_opens_and_connects_to_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["read", "write", "other"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("a"), name).unwrap();
        }
        let (own, other) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (own_port, other_port) = (own.local_addr().unwrap().port(), other.local_addr().unwrap().port());
        drop(own);
        let (read, write, elsewhere) = (path("read"), path("write"), path("other"));
        // Of the thread that asks for it.
        let confined = std::thread::spawn(move || {
            let needs = Needs { reads: Some(&read), writes: [Some(&write), None], port: Some(own_port) };
            let status = confined(needs).unwrap();
            if status == landlock::RulesetStatus::NotEnforced {
                return false;
            }
            let is_denied = |result: std::io::Result<()>| {
                result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
            };
            assert!(is_denied(File::open(elsewhere.join("a")).map(drop)), "a file elsewhere");
            assert!(is_denied(File::open("/etc/passwd").map(drop)), "a file of the system");
            assert!(is_denied(fs::write(elsewhere.join("b"), "")), "a new file elsewhere");
            assert!(is_denied(fs::write(read.join("a"), "")), "what is only read");
            assert_eq!(fs::read_to_string(read.join("a")).unwrap(), "read");
            assert!(File::open("/proc/self/status").is_ok(), "the counts of the system");
            fs::write(write.join("b"), "new").unwrap();
            fs::rename(write.join("b"), write.join("a")).unwrap();
            // A kernel before 6.7 restricts files alone.
            if status == landlock::RulesetStatus::FullyEnforced {
                assert!(is_denied(TcpStream::connect(("127.0.0.1", other_port)).map(drop)), "a connection");
                assert!(is_denied(TcpListener::bind("127.0.0.1:0").map(drop)), "another port");
                assert!(TcpListener::bind(("127.0.0.1", own_port)).is_ok(), "the own port");
            }
            true
        });
        if !confined.join().unwrap() {
            eprintln!("SKIPPED: this kernel knows no Landlock");
        }
    }
}
