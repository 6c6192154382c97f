//! Where cases and patients lie.

use std::path::{Path, PathBuf};

/// Folders that may hold `assets/` and `scenarios/`, the likeliest first: the one named by HALSTED_HOME, the current one, those above
/// the program (a build folder lies in the source tree), and the source tree that the program was built from.
fn homes() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os("HALSTED_HOME").map(PathBuf::from);
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>();
    named.into_iter().chain([PathBuf::from(".")]).chain(above).chain([PathBuf::from(env!("CARGO_MANIFEST_DIR"))])
}

/// The folder that holds `patients/` and `scans/`.
pub fn assets() -> miette::Result<PathBuf> {
    homes().map(|home| home.join("assets")).find(|assets| assets.join("patients").is_dir()).ok_or_else(|| {
        miette::miette!(
            help = "run halsted from its source folder, or name that folder in HALSTED_HOME",
            "the folder of assets (patients, scans) is not to be found"
        )
    })
}

/// A case by its path, or a bundled one by its name (`wedge_excision`).
pub fn case(named: &Path) -> miette::Result<PathBuf> {
    let bundled = homes().map(|home| home.join("scenarios").join(named).with_extension("ron"));
    [named.to_owned()].into_iter().chain(bundled).find(|path| path.is_file()).ok_or_else(|| {
        miette::miette!(
            help = "cases are .ron files; the bundled ones are wedge_excision, wedge_excision_plain, wedge_bleeding and peg_transfer",
            "{}: no such case",
            named.display()
        )
    })
}
