//! The report and the forms in which it is written.
//!
//! [`json`], [`text`] and [`html`] write what was found ([`crate::findings`]), [`trace`] what happened when, [`dump`] writes records as they pass, [`live`]
//! is what is told while a capture runs, [`annotated`] writes the frames themselves. Their sentences are those of
//! [`wording`]. Everything that comes off the wire or from a file's name reaches a terminal through [`escape`] only.

pub mod annotated;
pub mod clock;
pub mod dump;
pub mod escape;
pub mod html;
pub mod json;
pub mod live;
pub mod text;
pub mod trace;
pub mod wording;

/// Paths as text shows them: without the folder, where all lie in one.
#[must_use]
pub fn short_paths<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let split = |path: &'a str| path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let first = paths.clone().next().map(|path| split(path).0);
    let is_one_folder = paths.clone().all(|path| Some(split(path).0) == first);
    paths.map(|path| if is_one_folder { split(path).1 } else { path }.to_owned()).collect()
}
