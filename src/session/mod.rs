//! One attempt: how it starts, what a tick records, how it ends, and how it is repeated.

mod digest;
mod error;
mod trace;

pub mod plugin;

pub use digest::Digest;
pub use error::SessionError;
pub use trace::{Event, Header, TRACE_VERSION, TickRecord, ToolSample, Trace, TraceError, TraceWriter};
