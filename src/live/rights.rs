//! Rights given up once the interface is open: what reads bytes off a wire needs none.

use nix::unistd::{Gid, Uid, User, geteuid, setgid, setgroups, setuid};
use std::fs;
use std::os::unix::fs::chown;
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
pub fn whom(asked: Option<&str>) -> Result<Option<Becomes>, String> {
    let name = match asked {
        Some(name) => name,
        None if geteuid().is_root() => CUSTOMARY_USER,
        None => return Ok(None),
    };
    let user = User::from_name(name).map_err(|error| format!("-Z {name}: {error}"))?;
    let user = user.ok_or_else(|| format!("-Z: there is no user {name}; 'getent passwd' lists them"))?;
    if user.uid == geteuid() {
        return Ok(None);
    }
    if !geteuid().is_root() {
        return Err(format!("-Z {name}: only root may become another user: run it with sudo, or without -Z"));
    }
    Ok(Some(Becomes { name: user.name, user: user.uid, group: user.gid }))
}

impl Becomes {
    /// Makes a folder that the user may write to, unless there is one.
    ///
    /// # Errors
    /// It can be neither made nor handed over.
    pub fn makes_folder(&self, path: &Path) -> Result<(), String> {
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
        chown(path, Some(self.user.as_raw()), Some(self.group.as_raw()))
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// Gives up what is not needed any more, for good: no later program gains any right by being run.
///
/// # Errors
/// The system refuses.
pub fn drop_to(user: Option<&Becomes>) -> Result<(), String> {
    if let Some(Becomes { name, user, group }) = user {
        let refused = |error| format!("cannot become {name}: {error}; -Z root stays root");
        setgroups(&[*group]).map_err(refused)?;
        setgid(*group).map_err(refused)?;
        setuid(*user).map_err(refused)?;
    }
    no_new_privileges()
}

#[cfg(target_os = "linux")]
fn no_new_privileges() -> Result<(), String> {
    nix::sys::prctl::set_no_new_privs().map_err(|error| format!("no_new_privs: {error}"))
}

/// Elsewhere there is nothing of the kind.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn no_new_privileges() -> Result<(), String> {
    Ok(())
}
