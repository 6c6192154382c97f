//! Rigid things of a bench task: a board with pegs, and the rings that go on them. Rapier moves them ([`plugin`]); here is their shape.

mod board;
mod prism;

pub mod plugin;

pub use board::{Board, Half, Peg};
pub use prism::PrismRing;
