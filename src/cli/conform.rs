//! `halsted tissue conform`: the conformance sheet of this build, as text, JSON or a page.

use maud::html;
use serde_json::json;

use super::{Answer, Found, print_json, print_line};
use crate::{
    page,
    tissue::conform::{EXPERIMENTS, Extent, NOT_TESTED, Row, Within},
};

#[derive(Debug, Clone, clap::Args)]
pub struct Conform {
    /// One JSON document
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// A page that needs nothing else
    #[arg(long)]
    html: bool,
    /// Coarser meshes and fewer cuts: seconds instead of minutes
    #[arg(long)]
    quick: bool,
}

impl Conform {
    pub fn run(self) -> Answer {
        let extent = if self.quick { Extent::Quick } else { Extent::Whole };
        let mut rows = Vec::new();
        for (name, experiment) in EXPERIMENTS {
            eprintln!("{name}");
            rows.extend(experiment(extent)?);
        }
        let failed = rows.iter().filter(|row| !row.passes()).count();
        if self.json {
            print_json(&document(&rows, extent))?;
        } else if self.html {
            print_line(&page(&rows, extent))?;
        } else {
            for row in &rows {
                print_line(&line(row))?;
            }
            for absent in NOT_TESTED {
                print_line(&format!("not tested: {}: {}", absent.case, absent.because))?;
            }
            print_line(&format!("{} of {} rows pass", rows.len() - failed, rows.len()))?;
        }
        Ok(if failed == 0 { Found::Well } else { Found::Wanting })
    }
}

fn document(rows: &[Row], extent: Extent) -> serde_json::Value {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let mut value = json!(row);
            value["error"] = json!(row.error());
            value["passes"] = json!(row.passes());
            value
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "arithmetic": crate::tissue::ARITHMETIC,
        "quick": extent == Extent::Quick,
        "rows": rows,
        "not_tested": NOT_TESTED,
    })
}

fn line(row: &Row) -> String {
    let verdict = if row.passes() { "pass" } else { "FAIL" };
    let unit = if row.unit == "1" { String::new() } else { format!(" {}", row.unit) };
    let why = row.held_back.filter(|_| !row.passes()).map_or(String::new(), |why| format!(": {why}"));
    format!(
        "{verdict}  {}: {}: {}{unit}, should be {} {}{why}",
        row.case,
        row.quantity,
        number(row.measured),
        number(row.truth),
        tolerance(row)
    )
}

fn tolerance(row: &Row) -> String {
    match row.within {
        Within::Absolute(by) => format!("± {}", number(by)),
        Within::Relative(by) => format!("± {} %", number(100.0 * by)),
    }
}

/// Five digits, with a power of ten where that is shorter.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if (1e-3..1e5).contains(&size) {
        let digits = (4.0 - size.log10().floor()).max(0.0) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
    } else {
        format!("{value:.2e}")
    }
}

fn page(rows: &[Row], extent: Extent) -> String {
    let passed = rows.iter().filter(|row| row.passes()).count();
    let body = html! {
        header {
            p.maker { "Halsted " (env!("CARGO_PKG_VERSION")) " · arithmetic " (crate::tissue::ARITHMETIC) }
            h1 { "Conformance of the soft tissue" }
            div.verdict.(if passed == rows.len() { "passed" } else { "failed" }) {
                p.word { (passed) " of " (rows.len()) " rows pass" }
                p.because {
                    "Made by " code { "halsted tissue conform --html" @if extent == Extent::Quick { " --quick" } }
                    ": every number below was measured on this build."
                }
            }
        }
        main {
            table {
                thead { tr {
                    th { "Experiment" } th { "Quantity" } th.n { "Measured" } th.n { "Truth" } th.n { "May be off by" } th { "Verdict" } th { "Source" }
                } }
                tbody { @for row in rows {
                    tr.(if row.passes() { "passed-row" } else { "failed-row" }) {
                        td { (row.case) }
                        td { (row.quantity) @if row.unit != "1" { ", " (row.unit) } }
                        td.n { (number(row.measured)) }
                        td.n { (number(row.truth)) }
                        td.n { (tolerance(row)) }
                        td {
                            @if row.passes() { "pass" } @else {
                                strong { "fail" }
                                @if let Some(why) = row.held_back { span.why { (why) } }
                            }
                        }
                        td { (row.source) }
                    }
                } }
            }
            h2 { "Not tested" }
            ul { @for absent in NOT_TESTED { li { strong { (absent.case) } ": " (absent.because) "." } } }
        }
        footer { p { "A research and education tool, not a medical device." } }
    };
    let style = ".failed-row td { background: #fbeff1; } body { max-width: 1040px; }";
    page::page("Halsted: conformance of the soft tissue", style, &body)
}
