//! Who may use whom: reads the sources and prints every line that runs the other way, and every `bevy` where there should be none.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules in the order in which they may use each other: a module uses what stands before it, never what stands after.
const ORDER: [&str; 17] = [
    "units",
    "clock",
    "page",
    "geom",
    "tissue",
    "suture",
    "patient",
    "rigid",
    "instrument",
    "tracking",
    "scenario",
    "session",
    "scoring",
    "assessment",
    "theatre",
    "xr",
    "cli",
];

/// Folders whose every file may name Bevy; elsewhere only `plugin.rs` and what lies in `plugin/` may.
const BEVY: [&str; 2] = ["theatre", "xr"];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("the sources").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// The modules named by `crate::a` and `crate::{a, b::c, …}` in a source, with their lines.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].matches('\n').count() + 1;
        let start_of_line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        if text[start_of_line..at].contains("//") {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut word, mut lines) = (0, String::new(), 0);
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    '\n' => lines += 1,
                    _ => {}
                }
                if depth == 0 && (c.is_alphanumeric() || c == '_') {
                    word.push(c);
                } else if !word.is_empty() {
                    if rank(&word).is_some() {
                        found.push((line + lines, word.clone()));
                    }
                    // what follows `::` at this depth belongs to the word just read
                    word.clear();
                }
            }
        } else {
            let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.push((line, word));
        }
    }
    found
}

fn faults(module: &str, file: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let own = rank(module);
    for (line, used) in uses(text) {
        if let (Some(own), Some(other)) = (own, rank(&used))
            && other > own
        {
            faults.push(format!("{}:{line}: `{module}` may not use `{used}`, which stands right of it", file.display()));
        }
    }
    let plugin = file.components().any(|part| matches!(part.as_os_str().to_str(), Some("plugin.rs" | "plugin")));
    if !plugin && !BEVY.contains(&module) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let named = code.match_indices("bevy").any(|(at, _)| {
                let before = code[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"')
            });
            if named {
                faults.push(format!(
                    "{}:{}: only plugin.rs, plugin/, theatre/ and xr/ may name bevy",
                    file.display(),
                    number + 1
                ));
            }
        }
    }
    faults
}

#[test]
fn every_module_uses_only_what_stands_left_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut all = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&root).expect("below src");
        let module = inside.components().next().expect("a name").as_os_str().to_string_lossy().replace(".rs", "");
        if matches!(module.as_str(), "lib" | "main") {
            continue;
        }
        assert!(rank(&module).is_some(), "{}: `{module}` has no place in the order", file.display());
        all.extend(faults(&module, Path::new("src").join(inside).as_path(), &fs::read_to_string(&file).expect("a source")));
    }
    assert!(all.is_empty(), "{} lines break the order:\n{}", all.len(), all.join("\n"));
}

#[test]
fn a_line_that_runs_the_other_way_is_found() {
    let file = Path::new("src/tissue/solver.rs");
    let found = faults(
        "tissue",
        file,
        "use crate::{\n    geom::Pose,\n    session::Trace,\n};\nuse crate::cli::main;\nuse bevy::prelude::*;\n",
    );
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("solver.rs:3:") && found[0].contains("session"), "{found:?}");
    assert!(faults("tissue", Path::new("src/tissue/plugin.rs"), "use bevy::prelude::*; // crate::session\n").is_empty());
}
