//! What was written to a followed folder and is not analysed.

use crate::time::Timestamp;
use std::fmt;
use std::path::PathBuf;

/// Something that was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The file, or the folder where no single file is meant.
    pub path: PathBuf,
    /// How it was lost, and how much.
    pub how: Lost,
    /// From when on something is missing: the last frame that was read before it.
    pub from: Option<Timestamp>,
    /// Up to when; `None` until the next frame is read.
    pub to: Option<Timestamp>,
}

/// How something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The file was written anew before all that it had held was read: nothing tells how much that was.
    Rewritten,
    /// The file was removed before anybody looked at it: nothing tells what it held.
    Removed,
    /// The file is damaged: so many bytes from the damage on are not read; of packed data nothing tells how many.
    Damaged(Option<u64>),
    /// So many names are more than can be remembered.
    Names(u64),
    /// So many frames came too late to be put in order.
    Late(u64),
    /// So many bytes had not been read when following ended.
    Unread(u64),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.how {
            Lost::Rewritten => {
                write!(
                    f,
                    "{path}: written anew before it was read to its end: an unknown number of bytes is lost"
                )
            }
            Lost::Removed => {
                write!(f, "{path}: removed before it was read: an unknown number of bytes is lost")
            }
            Lost::Damaged(Some(bytes)) => {
                write!(f, "{path}: damaged: the {bytes} bytes from the damage on are lost")
            }
            Lost::Damaged(None) => {
                write!(f, "{path}: damaged: an unknown number of bytes from the damage on is lost")
            }
            Lost::Names(count) => {
                write!(f, "{path}: {count} names are too many to be looked at: what these files hold is lost")
            }
            Lost::Late(frames) => {
                write!(f, "{path}: {frames} frames came too late to be put in order: they are lost")
            }
            Lost::Unread(bytes) => {
                write!(f, "{path}: {bytes} bytes had not been read by the end: they are lost")
            }
        }
    }
}
