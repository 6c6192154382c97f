//! How a scan becomes a twin, written beside it (`import.ron`): so that one folder holds all that an import needs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    import::{DEFAULT_FEATURE_MM, ImportOptions},
    ron_file::{self, RonError},
    twin::Organ,
};

/// Its name in the folder of a scan.
pub const RECIPE_FILE: &str = "import.ron";

/// The file as written; paths are relative to its folder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    /// The twin's name.
    name: String,
    /// The images, where they are a single file and not the folder itself.
    #[serde(default)]
    scan: Option<PathBuf>,
    labels: PathBuf,
    label: u8,
    organ: String,
    /// Further organs to mesh with it.
    #[serde(default)]
    regions: Vec<Organ>,
    /// Vessels to trace.
    #[serde(default)]
    vessels: Vec<Organ>,
    #[serde(default)]
    record: Option<PathBuf>,
    #[serde(default)]
    feature_mm: Option<f64>,
    /// Whether the mesh's borders are drawn nearer to the labels, as an import without a recipe does.
    #[serde(default)]
    close_surface: bool,
    #[serde(default)]
    attribution: Option<String>,
}

/// The images and what to make of them.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub scan: PathBuf,
    pub options: ImportOptions,
}

/// The recipe beside the scan in `folder`; nothing where there is none.
///
/// # Errors
/// [`RonError`] when it cannot be read or holds a fault.
pub fn read_recipe(folder: &Path) -> Result<Option<Recipe>, RonError> {
    let path = folder.join(RECIPE_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let text = ron_file::read(&path)?;
    let written: Written = ron_file::parse(&text, &path)?;
    if written.version != 1 {
        let message = format!("version {} is not known; this program reads version 1", written.version);
        return Err(ron_file::fault_at(&text, "version", &path, message));
    }
    let options = ImportOptions {
        name: written.name,
        labels: Some(folder.join(written.labels)),
        label: written.label,
        organ: written.organ,
        regions: written.regions,
        vessels: written.vessels,
        record: written.record.map(|record| folder.join(record)),
        feature_mm: written.feature_mm.unwrap_or(DEFAULT_FEATURE_MM),
        close_surface: written.close_surface,
        attribution: written.attribution,
        ..ImportOptions::default()
    };
    Ok(Some(Recipe { scan: written.scan.map_or_else(|| folder.to_owned(), |scan| folder.join(scan)), options }))
}
