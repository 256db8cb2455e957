//! Writes output files: completely or not at all, and never over anything else.
//!
//! A file is written under a random name in its directory, with `O_EXCL`, `O_NOFOLLOW` and mode 0640, and
//! given its name once all of it is on disk. Until then an existing file keeps its name, and a failure leaves
//! nothing behind. All operations are relative to the open directory, so replacing the directory with a link
//! has no effect. Input files are identified by device and inode, and never replaced, under any name.

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, geteuid, linkat, unlinkat};
use std::error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The mode of files, before the umask.
const FILE_MODE: Mode = Mode::from_bits_truncate(0o640);
/// The mode of directories.
const FOLDER_MODE: Mode = Mode::from_bits_truncate(0o750);
/// How many random names to try.
const MAX_NAMES: usize = 8;

/// The identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file at a path, following links; `None` if there is none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        nix::sys::stat::stat(path).ok().map(|about| Self::from(&about))
    }
}

impl From<&FileStat> for FileId {
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the types differ between systems")]
    fn from(about: &FileStat) -> Self {
        Self { device: about.st_dev as u64, inode: about.st_ino as u64 }
    }
}

impl From<&fs::Metadata> for FileId {
    fn from(about: &fs::Metadata) -> Self {
        Self { device: about.dev(), inode: about.ino() }
    }
}

/// Why a file was not written.
#[derive(Debug)]
pub enum OutputError {
    /// The file exists, and replacing it was not requested.
    Exists(PathBuf),
    /// It is one of the input files.
    IsInput(PathBuf),
    /// The name is taken by something that is not a regular file.
    NoFile(PathBuf),
    /// Root would write into another user's directory.
    ForeignFolder {
        /// The directory.
        folder: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// An error of the system.
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(f, "{} exists: --force replaces it", path.display()),
            Self::IsInput(path) => write!(f, "{} is one of the files that are read", path.display()),
            Self::NoFile(path) => write!(f, "{} is no regular file", path.display()),
            Self::ForeignFolder { folder, owner } => write!(
                f,
                "root does not write into {}, which belongs to user {owner}: run as that user, or name another folder",
                folder.display()
            ),
            Self::Io { path, .. } => write!(f, "{} cannot be written", path.display()),
        }
    }
}

impl error::Error for OutputError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl OutputError {
    /// Adds the path to a system error.
    pub fn io(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.to_owned(), source: source.into() }
    }

    /// Writes one sentence, with the system's reason.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// An open directory to write files to.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    fd: Arc<OwnedFd>,
}

impl Folder {
    /// Opens a directory.
    ///
    /// # Errors
    /// If it does not exist, or if root would write into another user's directory.
    pub fn open(path: &Path) -> Result<Self, OutputError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).map_err(|error| OutputError::io(path, error))?;
        let owner = fstat(&fd).map_err(|error| OutputError::io(path, error))?.st_uid;
        refuse_foreign(path, owner, geteuid())?;
        Ok(Self { path: path.to_owned(), fd: Arc::new(fd) })
    }

    /// Opens a directory and creates it if necessary; a new one belongs to `owner`, if given.
    ///
    /// # Errors
    /// See [`Self::open`]; the parent directory must exist.
    pub fn open_or_make(path: &Path, owner: Option<(Uid, Gid)>) -> Result<Self, OutputError> {
        if path.is_dir() {
            return Self::open(path);
        }
        let name = path.file_name().ok_or_else(|| OutputError::io(path, Errno::EINVAL))?;
        let parent = Self::open(path.parent().unwrap_or_else(|| Path::new(".")))?;
        let wrong = |error| OutputError::io(path, error);
        mkdirat(&parent.fd, name, FOLDER_MODE).map_err(wrong)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&parent.fd, name, flags, Mode::empty()).map_err(wrong)?;
        if let Some((user, group)) = owner {
            fchown(&fd, Some(user), Some(group)).map_err(wrong)?;
        }
        Ok(Self { path: path.to_owned(), fd: Arc::new(fd) })
    }

    /// Its path, as opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts a file with this name.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub fn begin(&self, name: &OsStr, replace: Replace<'_>) -> Result<NewFile, OutputError> {
        self.check(name, replace)?;
        let path = self.path.join(name);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        for _ in 0..MAX_NAMES {
            let temporary = temporary_name();
            match openat(&self.fd, temporary.as_os_str(), flags, FILE_MODE) {
                Ok(fd) => {
                    let out = BufWriter::new(File::from(fd));
                    let folder = self.clone();
                    return Ok(NewFile {
                        out,
                        folder,
                        temporary: Some(temporary),
                        name: name.to_owned(),
                        path,
                    });
                }
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(OutputError::io(&path, error)),
            }
        }
        Err(OutputError::io(&path, Errno::EEXIST))
    }

    /// Checks whether a file with this name may be written.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub fn check(&self, name: &OsStr, replace: Replace<'_>) -> Result<(), OutputError> {
        let path = || self.path.join(name);
        let own = match fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(own) => own,
            Err(Errno::ENOENT) => return Ok(()),
            Err(error) => return Err(OutputError::io(&path(), error)),
        };
        let target = fstatat(&self.fd, name, AtFlags::empty()).ok();
        let is_input = |about: &FileStat| replace.inputs.contains(&FileId::from(about));
        if is_input(&own) || target.as_ref().is_some_and(is_input) {
            return Err(OutputError::IsInput(path()));
        }
        let is_regular =
            |about: &FileStat| SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
        if !is_regular(target.as_ref().unwrap_or(&own)) {
            return Err(OutputError::NoFile(path()));
        }
        if replace.force { Ok(()) } else { Err(OutputError::Exists(path())) }
    }

    /// Removes the file with this name, if it is still the same file.
    ///
    /// # Errors
    /// If it is another file now, or if the system refuses.
    pub fn remove(&self, name: &OsStr, id: FileId) -> io::Result<()> {
        let about = fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if FileId::from(&about) != id {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir)?)
    }
}

/// What a new file may replace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Replace<'a> {
    /// Whether it may replace an existing file.
    pub force: bool,
    /// The input files, which are never replaced.
    pub inputs: &'a [FileId],
}

/// A file being written. If it is dropped before [`Self::finish`], nothing remains.
#[derive(Debug)]
pub struct NewFile {
    out: BufWriter<File>,
    folder: Folder,
    temporary: Option<OsString>,
    name: OsString,
    path: PathBuf,
}

impl NewFile {
    /// Starts a file at a path.
    ///
    /// # Errors
    /// What stands in the way: see [`OutputError`].
    pub fn begin(path: &Path, replace: Replace<'_>) -> Result<Self, OutputError> {
        let (folder, name) = place(path)?;
        folder.begin(name, replace)
    }

    /// Checks whether a file could be started at a path, before the work is done.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(path: &Path, replace: Replace<'_>) -> Result<(), OutputError> {
        let (folder, name) = place(path)?;
        folder.check(name, replace)
    }

    /// Flushes the file to disk and renames it to its final name.
    ///
    /// # Errors
    /// A system error, or a file that appeared meanwhile; then nothing remains.
    pub fn finish(mut self, replace: Replace<'_>) -> Result<FileId, OutputError> {
        let id = self.put_down().map_err(|error| OutputError::io(&self.path, error))?;
        self.folder.check(&self.name, replace)?;
        let temporary = self.temporary.clone().unwrap_or_default();
        let Self { folder, name, path, .. } = &self;
        let renamed = rename(folder, &temporary, name, replace.force);
        renamed.map_err(|error| match error {
            Errno::EEXIST => OutputError::Exists(path.clone()),
            error => OutputError::io(path, error),
        })?;
        self.temporary = None;
        // Flush the name too, where the system supports that.
        let _ = nix::unistd::fsync(&self.folder.fd);
        Ok(id)
    }

    fn put_down(&mut self) -> io::Result<FileId> {
        self.out.flush()?;
        let file = self.out.get_ref();
        file.sync_all()?;
        Ok(FileId::from(&fstat(file)?))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // It is already gone, which is fine.
            let _ = unlinkat(&self.folder.fd, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// The directory and the file name of a path.
fn place(path: &Path) -> Result<(Folder, &OsStr), OutputError> {
    let name = path.file_name().ok_or_else(|| OutputError::NoFile(path.to_owned()))?;
    Ok((Folder::open(path.parent().unwrap_or_else(|| Path::new(".")))?, name))
}

/// The owner of a directory can plant links and remove files, so root must not rely on other users.
fn refuse_foreign(folder: &Path, owner: u32, we: Uid) -> Result<(), OutputError> {
    if we.is_root() && owner != 0 {
        return Err(OutputError::ForeignFolder { folder: folder.to_owned(), owner });
    }
    Ok(())
}

/// A random name, so that nobody can prepare a file under it.
fn temporary_name() -> OsString {
    let random = || RandomState::new().hash_one(std::process::id());
    format!(".qscope-{:016x}{:016x}.part", random(), random()).into()
}

/// Gives a file its name. A rename would replace a file of that name; a link fails. (`renameat2`, which can be told not
/// to replace, is in glibc from 2.28 and in Linux from 3.15 on: RHEL 7 has neither.)
fn rename(folder: &Folder, from: &OsStr, to: &OsStr, force: bool) -> Result<(), Errno> {
    if force {
        return renameat(&folder.fd, from, &folder.fd, to);
    }
    match linkat(&folder.fd, from, &folder.fd, to, AtFlags::empty()) {
        Ok(()) => unlinkat(&folder.fd, from, UnlinkatFlags::NoRemoveDir),
        // A file system without links; the name was free a moment ago.
        Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EMLINK) => {
            renameat(&folder.fd, from, &folder.fd, to)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const NEW: Replace<'_> = Replace { force: false, inputs: &[] };
    const ANY: Replace<'_> = Replace { force: true, inputs: &[] };

    fn write(path: &Path, text: &str, replace: Replace<'_>) -> Result<FileId, OutputError> {
        let mut file = NewFile::begin(path, replace)?;
        file.write_all(text.as_bytes()).unwrap();
        file.finish(replace)
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = NewFile::begin(&path, NEW).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert!(names(folder.path()).is_empty(), "half a file stays");
        let id = write(&path, "whole", NEW).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(FileId::of(&path), Some(id));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0, "at most 0640");
        assert_eq!(names(folder.path()).len(), 1);
    }

    #[test]
    fn only_force_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        assert!(matches!(write(&path, "new", NEW), Err(OutputError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write(&path, "new", ANY).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // A file that appears during the write.
        let file = NewFile::begin(&folder.path().join("b"), NEW).unwrap();
        fs::write(folder.path().join("b"), "other").unwrap();
        assert!(matches!(file.finish(NEW), Err(OutputError::Exists(_))));
        assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"other");
        assert_eq!(names(folder.path()).len(), 2, "nothing of ours is left");
    }

    #[test]
    fn links_are_replaced_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &link).unwrap();
        assert!(matches!(write(&link, "new", NEW), Err(OutputError::Exists(_))));
        write(&link, "new", ANY).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
        let dangling = folder.path().join("dangling");
        symlink(folder.path().join("nowhere"), &dangling).unwrap();
        assert!(write(&dangling, "new", NEW).is_err());
        assert!(!folder.path().join("nowhere").exists());
    }

    #[test]
    fn what_is_read_is_never_replaced_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input");
        fs::write(&input, "frames").unwrap();
        let (soft, hard) = (folder.path().join("soft"), folder.path().join("hard"));
        symlink(&input, &soft).unwrap();
        fs::hard_link(&input, &hard).unwrap();
        let inputs = [FileId::of(&input).unwrap()];
        let replace = Replace { force: true, inputs: &inputs };
        for path in [
            &input,
            &soft,
            &hard,
            &folder.path().join("../").join(folder.path().file_name().unwrap()).join("input"),
        ] {
            assert!(
                matches!(write(path, "new", replace), Err(OutputError::IsInput(_))),
                "{}",
                path.display()
            );
        }
        assert_eq!(fs::read(&input).unwrap(), b"frames");
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for path in [inner.as_path(), Path::new("/dev/null"), Path::new("/"), Path::new("..")] {
            assert!(matches!(write(path, "new", ANY), Err(OutputError::NoFile(_))), "{}", path.display());
        }
        assert!(matches!(write(&inner.join("no/file"), "new", ANY), Err(OutputError::Io { .. })));
    }

    #[test]
    fn root_relies_on_nobody_elses_folder() {
        let refused = refuse_foreign(Path::new("/home/a"), 1000, Uid::from_raw(0));
        assert!(refused.unwrap_err().to_string().contains("belongs to user 1000"));
        assert!(refuse_foreign(Path::new("/root"), 0, Uid::from_raw(0)).is_ok());
        assert!(refuse_foreign(Path::new("/home/a"), 1000, Uid::from_raw(1000)).is_ok());
        assert!(refuse_foreign(Path::new("/tmp"), 0, Uid::from_raw(1000)).is_ok());
    }

    #[test]
    fn a_folder_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        for _ in 0..2 {
            let folder = Folder::open_or_make(&path, None).unwrap();
            assert_eq!(folder.path(), path);
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o027, 0);
        assert!(Folder::open_or_make(&folder.path().join("a/b"), None).is_err());
        symlink("/nowhere", folder.path().join("link")).unwrap();
        assert!(Folder::open_or_make(&folder.path().join("link"), None).is_err());
    }
}
