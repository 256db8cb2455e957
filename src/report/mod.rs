//! The report and the forms in which it is written.
//!
//! [`model`] is the report as data; [`json`] and [`text`] write it, [`dump`] writes records as they
//! pass, [`selection`] leaves out what was not asked for. Everything that comes off the wire or from
//! a file's name reaches a terminal through [`escape`] only.

pub mod clock;
pub mod dump;
pub mod escape;
pub mod json;
pub mod model;
pub mod selection;
pub mod text;
