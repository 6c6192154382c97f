//! `halsted check`: cases, rubrics and twins, every fault with its place.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Answer, Found, print_json, print_line};
use crate::{patient::Twin, scenario, scoring};

#[derive(Serialize)]
struct Fault {
    file: String,
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
}

#[derive(Serialize)]
struct Report {
    checked: usize,
    faults: Vec<Fault>,
}

pub fn check(paths: &[PathBuf], json: bool) -> Answer {
    let mut report = Report { checked: 0, faults: Vec::new() };
    for path in paths {
        if !path.exists() {
            return Err(miette::miette!("{}: no such file or folder", path.display()));
        }
        visit(path, true, &mut report)?;
    }
    if report.checked == 0 {
        return Err(miette::miette!(
            help = "cases and rubrics are .ron files; a twin is a folder with twin.ron",
            "nothing to check here"
        ));
    }
    if json {
        print_json(&report)?;
    } else {
        for fault in &report.faults {
            let help = fault.help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
            print_line(&format!("{}:{}:{}: {}{help}", fault.file, fault.line, fault.column, fault.message))?;
        }
        print_line(&format!("{} checked, {} faults", report.checked, report.faults.len()))?;
    }
    Ok(if report.faults.is_empty() { Found::Well } else { Found::Wanting })
}

fn visit(path: &Path, named: bool, report: &mut Report) -> miette::Result<()> {
    let io = |why: std::io::Error| miette::miette!("{}: cannot be read: {why}", path.display());
    if path.is_dir() {
        if path.join("twin.ron").is_file() {
            report.checked += 1;
            if let Err(why) = Twin::read(path) {
                let file = path.join("twin.ron").display().to_string();
                report.faults.push(Fault { file, line: 1, column: 1, message: why.to_string(), help: None });
            }
            return Ok(());
        }
        let mut inside: Vec<PathBuf> =
            std::fs::read_dir(path).map_err(io)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.sort();
        for entry in inside.iter().filter(|entry| !entry.is_symlink()) {
            visit(entry, false, report)?;
        }
        return Ok(());
    }
    if path.extension().is_none_or(|extension| extension != "ron") && !named {
        return Ok(());
    }
    report.checked += 1;
    let file = path.display().to_string();
    let text = match String::from_utf8(std::fs::read(path).map_err(io)?) {
        Ok(text) => text,
        Err(why) => {
            let before = &why.as_bytes()[..why.utf8_error().valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            report.faults.push(Fault { file, line, column: 1, message: "not text in UTF-8".to_owned(), help: None });
            return Ok(());
        }
    };
    // a rubric is known by its items
    let is_rubric = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "rubrics")
        || (text.contains("pass_mark") && !text.contains("steps"));
    let place = |line, column, message: String, help| Fault { file: file.clone(), line, column, message, help };
    if is_rubric {
        if let Err(faults) = scoring::check_rubric(&text, &file) {
            report.faults.extend(faults.into_iter().map(|f| place(f.line, f.column, f.message, f.help)));
        }
        return Ok(());
    }
    match scenario::parse(&text, &file) {
        Err(faults) => report.faults.extend(faults.faults.into_iter().map(|f| place(f.line, f.column, f.message, f.help))),
        Ok(case) => {
            let rubric = path.parent().unwrap_or(Path::new("")).join(&case.rubric);
            if !rubric.is_file() {
                let (line, column) = scenario::place_of(&text, &["rubric:"]);
                let message = format!("the rubric `{}` is not there", case.rubric);
                report.faults.push(place(line, column, message, Some("its path is relative to the case's folder".to_owned())));
            }
        }
    }
    Ok(())
}
