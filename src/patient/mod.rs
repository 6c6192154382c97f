//! The patient: from an image series to a twin that can be operated on.
//!
//! ```text
//! DICOM files ─ series ─┬─► Volume (HU) ─┬─► labels on its grid ─► distance field ─► tetrahedra ─► Twin (folder)
//! NIfTI or NRRD image ──┘                │
//! NIfTI, NRRD or DICOM SEG labels, contours, seeds, a HU range ┘
//! ```
//! Images stay in DICOM's patient frame (LPS, mm) until [`frame`] puts them into the world. A twin carries no person: no name, date
//! or UID; `deidentify` does the same for image files, `pacs` for what an archive sends. Left out: registration of several series.

mod agreement;
mod binary;
mod code_stream;
mod cohort;
mod conform;
mod contours;
mod deidentify;
mod dicom;
mod encode;
mod features;
mod fit;
pub mod frame;
mod geometry;
mod grid_file;
mod import;
mod improve;
mod info;
pub mod labels;
mod material;
mod model;
mod nifti_file;
mod nrrd_file;
pub mod pacs;
mod parameters;
pub mod physiology;
mod picture;
mod pixels;
mod place;
mod plane;
pub mod plugin;
mod portrait;
mod quality;
mod recipe;
mod record;
mod regions;
mod report;
mod ron_file;
pub mod segment;
mod segments;
mod series;
mod smooth;
mod straighten;
mod stuffing;
mod twin;
mod vessels;

pub use agreement::Agreement;
pub use cohort::{Cohort, CohortError, CohortFault};
pub use deidentify::{DeidentifyError, DeidentifyOptions, DeidentifyReport, deidentify_file, deidentify_folder};
pub use features::OrganFeatures;
pub use fit::{Evaluation, FOLDS, LAMBDAS, ParameterError, evaluate, fit};
pub use import::{DEFAULT_FEATURE_MM, ImportError, ImportOptions, ImportReport, import, read_scan};
pub use info::{Fault, PatientInfo, SeriesInfo, patient_info};
pub use labels::LabelError;
pub use material::Material;
pub use model::{Feature, Fitted, Parameter, Predictor, TwinModel, Weight, unit_of};
pub use parameters::Parameters;
pub use picture::{Picture, Window, colour, data_uri, middle};
pub use plane::Plane;
pub use portrait::{View, portrait};
pub use quality::MeshQuality;
pub use recipe::{RECIPE_FILE, Recipe, read_recipe};
pub use record::{Diagnosis, Fibrosis, Hypertension, Laboratory, Medication, PatientRecord, Sex, Steatosis, VitalSigns};
pub use regions::{MAX_REGIONS, RegionMesh, part, stuff_regions};
pub use report::report_html;
pub use ron_file::{RonError, write_whole};
pub use series::{SeriesError, SeriesResult, read_series};
pub use smooth::{Smoothing, smooth_distance};
pub use stuffing::stuff;
pub use twin::{Organ, Region, Source, TWIN_FILE, Twin, TwinError};
pub use vessels::{VesselBranch, VesselTree};
