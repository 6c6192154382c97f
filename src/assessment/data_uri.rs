//! Pictures inside the page.

use std::path::Path;

use super::AssessmentError;
use crate::patient::data_uri;

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A PNG file as a `data:` address.
pub fn of_png(path: &Path) -> Result<String, AssessmentError> {
    let fault = |why: String| AssessmentError::Picture { path: path.to_owned(), why };
    let bytes = std::fs::read(path).map_err(|why| fault(why.to_string()))?;
    if !bytes.starts_with(PNG_SIGNATURE) {
        return Err(fault("it does not begin as a PNG file does".to_owned()));
    }
    Ok(data_uri(&bytes))
}
