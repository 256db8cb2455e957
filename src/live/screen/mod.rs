//! The screen of `qscope live --tui`: links, announcements, and the details of one.
//!
//! [`State`] is what is shown; [`draw`] puts it into a buffer of cells, whatever the terminal. [`Terminal`] shows it, on
//! a thread of its own: a terminal that does not take what is written holds up nothing but the screen.

mod canvas;
mod draw;
mod entry;
mod gauges;
mod state;
mod table;
mod terminal;
#[cfg(test)]
mod tests;

pub use draw::draw;
pub use entry::{Announced, Attention};
pub use gauges::{Gauges, LinkGauge};
pub use state::{Asked, ScreenKey, ScreenSnapshot, State};
pub use terminal::{Terminal, restore};
