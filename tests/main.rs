//! Behaviour seen from outside, one module a subject, in one binary (a link of its own for each would cost more than the tests).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attach;
mod bad_input;
mod conform;
mod contact;
mod contours;
mod damage;
mod fuzz;
mod grid_files;
mod import_report;
mod layers;
mod model;
mod movable;
mod needle;
mod odd_series;
mod pacs;
mod patient;
mod program;
mod reference;
mod remove;
mod scan;
mod scoring;
mod segment;
mod session;
mod skin;
mod tear;
mod theatre;
mod tissue;
mod torture;
