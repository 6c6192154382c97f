//! The conformance sheet: what it says of this build is what the committed page says.

use halsted::tissue::conform::{EXPERIMENTS, Extent, Row};

fn rows() -> Vec<Row> {
    EXPERIMENTS.iter().flat_map(|(name, run)| run(Extent::Quick).unwrap_or_else(|why| panic!("{name}: {why}"))).collect()
}

/// Rows that are the same in the quick and the whole sheet have the verdict of `docs/conformance.html`. After a change of a verdict make the page again:
/// `halsted tissue conform --html > docs/conformance.html`.
#[test]
fn the_committed_sheet_tells_what_this_build_does() {
    let page = include_str!("../docs/conformance.html");
    let mut compared = 0;
    for row in rows() {
        let Some(at) = page.find(&format!("<td>{}", row.quantity)) else { continue };
        let verdict = page[at..].split("</tr>").next().expect("a row");
        assert_eq!(row.passes(), !verdict.contains("<strong>fail</strong>"), "{}: {} {}", row.case, row.quantity, row.measured);
        compared += 1;
    }
    assert!(compared > 20, "{compared} rows of the page are known");
}

#[test]
fn a_row_off_its_tolerance_or_no_number_fails() {
    let mut row = rows_of("tetrahedron").remove(0);
    assert!(row.passes());
    row.measured *= 1.01;
    assert!(!row.passes());
    row.measured = f64::NAN;
    assert!(!row.passes());
}

fn rows_of(name: &str) -> Vec<Row> {
    let (_, run) = EXPERIMENTS.iter().find(|(known, _)| *known == name).expect("an experiment");
    run(Extent::Quick).expect("an outcome")
}
