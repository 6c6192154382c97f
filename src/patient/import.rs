//! From a folder of images to a twin: the main road through this module.

use std::path::{Path, PathBuf};

use glam::DAffine3;
use rayon::prelude::*;
use serde::Serialize;

use super::{
    agreement::Agreement,
    conform::{Target, conform},
    features::OrganFeatures,
    frame,
    info::{Fault, SeriesInfo},
    labels::{self, LabelError},
    material::Material,
    model::TwinModel,
    parameters::Parameters,
    quality::MeshQuality,
    record::PatientRecord,
    regions::{MAX_REGIONS, RegionMesh, part, stuff_regions},
    ron_file::RonError,
    segment::{self, Seeds, Segment, on_edge},
    series::{Keep, SeriesError, SeriesResult, read_folder},
    smooth::{Smoothing, smooth_distance},
    stuffing::stuff,
    twin::{Organ, Region, Source, Twin},
    vessels::VesselTree,
};
use crate::geom::{DistanceField, TetMesh, Volume};

/// Edge of a lattice cell, mm; the bundled liver slab of 700 ml comes out at some 15,700 tetrahedra.
pub const DEFAULT_FEATURE_MM: f64 = 8.6;

/// What to make of a series.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The twin's name: not a person's.
    pub name: String,
    /// A label map of the same scan: NIfTI-1, NRRD, a DICOM segmentation object or structure set.
    pub labels: Option<PathBuf>,
    /// The organ's value in the label map; 1 where a range of HU makes the label.
    pub label: u8,
    /// Without a label map: seeds (RON, see [`Seeds`]), from which the organ and all other labels of the file are found.
    pub seeds: Option<PathBuf>,
    /// The organ's name, for its material and for cases.
    pub organ: String,
    /// Further organs of the label map to mesh with it, sharing faces where they touch.
    pub regions: Vec<Organ>,
    /// Vessels of the label map whose centre lines and radii to trace.
    pub vessels: Vec<Organ>,
    /// Without a label map: the organ is the largest connected part between these HU.
    pub hu_range: Option<(f32, f32)>,
    /// Which series, by its place in `patient info`; needed only where several make a volume.
    pub series: Option<usize>,
    /// Edge of a lattice cell, mm: smaller is finer and slower.
    pub feature_mm: f64,
    pub smoothing: Smoothing,
    /// Whether the mesh's borders are drawn from the smoothed surfaces nearer to the labels.
    pub close_surface: bool,
    /// Whom to name and under which licence.
    pub attribution: Option<String>,
    /// What is known of the person beside the images (RON, see [`PatientRecord`]).
    pub record: Option<PathBuf>,
    /// A model that stands before the literature (RON, as `patient fit` writes it).
    pub model: Option<PathBuf>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            name: "patient".into(),
            labels: None,
            label: 1,
            seeds: None,
            organ: "organ".into(),
            regions: Vec::new(),
            vessels: Vec::new(),
            hu_range: None,
            series: None,
            feature_mm: DEFAULT_FEATURE_MM,
            smoothing: Smoothing::default(),
            close_surface: true,
            attribution: None,
            record: None,
            model: None,
        }
    }
}

/// What an import found and made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    pub series: SeriesInfo,
    /// Files in the folder that are no images of a series.
    pub skipped: usize,
    pub organ: Organ,
    /// Mean and standard deviation of the values inside the organ (HU for CT).
    pub organ_mean: f64,
    pub organ_sd: f64,
    /// Mesh volume against label volume, as a share.
    pub volume_error: f64,
    pub quality: MeshQuality,
    /// Each organ's mesh against its label.
    pub agreement: Vec<Agreement>,
    /// What was found from seeds, and what the clean-up did to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// What the mesh consists of where it is more than one organ, the organ itself first.
    pub regions: Vec<Region>,
    /// Centre lines and radii of the vessels asked for.
    pub vessels: Vec<VesselTree>,
    /// What the model makes of images and record.
    pub parameters: Parameters,
    /// What a surgeon or teacher should know about this twin.
    pub warnings: Vec<Fault>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ImportError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Series(#[from] SeriesError),
    #[error("no series in {} makes a volume: {}", path.display(), faults.iter().map(|f| f.message.as_str()).collect::<Vec<_>>().join("; "))]
    #[diagnostic(help("`halsted patient info` lists each series and what is wrong with it"))]
    NoVolume { path: PathBuf, faults: Vec<Fault> },
    #[error("{} holds {count} series that make a volume: {list}", path.display())]
    #[diagnostic(help("choose one with --series"))]
    SeveralSeries { path: PathBuf, count: usize, list: String },
    #[error("{} has no series {series}; there are {count}, counted from 0", path.display())]
    NoSuchSeries { path: PathBuf, series: usize, count: usize },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Label(#[from] LabelError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ron(#[from] RonError),
    #[error("nothing says where the organ is")]
    #[diagnostic(help(
        "give a label map of the scan (--labels FILE.nii.gz --label N), seeds (--seeds SEEDS.ron) or a range of HU (--hu LOW,HIGH)"
    ))]
    NoOrgan,
    #[error("a range of HU was given, but the series is {modality}: its values are not Hounsfield units")]
    NotHounsfield { modality: String },
    #[error("regions and vessels are values of a label map, and no label map is given")]
    #[diagnostic(help("give a label map of the scan (--labels FILE.nii.gz), or seeds that name them (--seeds SEEDS.ron)"))]
    RegionsWithoutLabels,
    #[error("label {label} or the name {name} stands for two regions")]
    SameRegion { label: u8, name: String },
    #[error("{count} regions are too many; {MAX_REGIONS} is the most")]
    TooManyRegions { count: usize },
    #[error("nothing of region {name} (label {label}) is left with cells of {feature_mm} mm")]
    #[diagnostic(help("try a smaller feature size (--feature-mm), or leave the region out"))]
    LostRegion { label: u8, name: String, feature_mm: f64 },
    #[error("vessel {name} is too large to be traced: its box holds more than 256 million nodes of half a millimetre")]
    VesselTooLarge { name: String },
    #[error("{what} must lie between {low} and {high}, and is {value}")]
    OutOfRange { what: &'static str, low: f64, high: f64, value: f64 },
    #[error("the organ is too small or too large to be meshed with cells of {feature_mm} mm")]
    #[diagnostic(help("try another feature size, or check that the label is the organ that you mean"))]
    NoMesh { feature_mm: f64 },
}

/// Imports the series in `dir`, a folder or one file. The same files and options always give the same twin, bit for bit.
///
/// `progress` hears (stage, done, of how many).
pub fn import(
    dir: &Path,
    options: &ImportOptions,
    progress: &dyn Fn(&str, usize, usize),
) -> Result<(Twin, ImportReport), ImportError> {
    for (what, value, low, high) in [
        ("the feature size (mm)", options.feature_mm, 1.0, 50.0),
        ("the spacing of the distance field (mm)", options.smoothing.spacing_mm, 0.2, 20.0),
        ("the smoothing (mm)", options.smoothing.sigma_mm, 0.1, 20.0),
        ("the margin (mm)", options.smoothing.margin_mm, 1.0, 200.0),
    ] {
        if !(low..=high).contains(&value) {
            return Err(ImportError::OutOfRange { what, low, high, value });
        }
    }
    if options.labels.is_none() && options.seeds.is_none() && options.hu_range.is_none() {
        return Err(ImportError::NoOrgan);
    }
    // a fault of the seeds comes before minutes of reading
    let seeds = options.seeds.as_deref().map(|path| SeededOrgan::read(path, &options.organ)).transpose()?;
    let record = options.record.as_deref().map(PatientRecord::read).transpose()?;
    let model = options.model.as_deref().map(TwinModel::read).transpose()?;
    let (info, image, skipped) = read_scan(dir, options.series, progress)?;
    progress("finding the organ", 0, 1);
    let (labels, label, segments) = match &seeds {
        Some(seeds) => seeds.find(&image, progress)?,
        None => find_organ(&image, &info, options).map(|(labels, label)| (labels, label, Vec::new()))?,
    };
    progress("finding the organ", 1, 1);

    let no_mesh = || ImportError::NoMesh { feature_mm: options.feature_mm };
    let organs = organs(&labels, label, options)?;
    let whole = mask(&labels, &organs);
    let mut measured = Vec::new();
    for organ in &organs {
        measured.push(OrganFeatures::measure(&image, &labels, organ.label).ok_or_else(no_mesh)?);
    }
    let (organ_mean, organ_sd) = (measured[0].value_mean, measured[0].value_sd);
    let names: Vec<String> = organs.iter().map(|organ| organ.name.clone()).collect();
    let features = measured.iter().zip(&names).flat_map(|(features, name)| features.named(name)).collect();
    let parameters = Parameters::new(&names, features, record.as_ref(), model.as_ref());
    let material = |organ: &str| parameters.material(organ).unwrap_or_else(|| Material::of_organ(organ));
    let [low, high] = frame::label_bounds(&whole, 1).ok_or_else(no_mesh)?;
    let world_from_lps = frame::world_from_lps(low, high);
    let (tets, tet_regions, distance) = if organs.len() == 1 {
        let (tets, distance) = mesh(&labels, label, &world_from_lps, options, progress).ok_or_else(no_mesh)?;
        (tets, Vec::new(), distance)
    } else {
        let (mesh, distance) = mesh_regions(&labels, &whole, &organs, &world_from_lps, options, progress).ok_or_else(no_mesh)?;
        (mesh.tets, mesh.regions, distance)
    };
    progress("measuring the mesh", 0, 1);
    let quality = MeshQuality::measure(&tets, &whole, 1, &world_from_lps, options.feature_mm);
    let mut agreement = Vec::new();
    let mut agree = |mesh: &TetMesh, organ: &Organ, quality: &MeshQuality| {
        agreement.push(Agreement::measure(mesh, &labels, (organ.label, &organ.name), &world_from_lps, quality));
    };
    if organs.len() == 1 {
        agree(&tets, &organs[0], &quality);
    }
    let mut regions = Vec::new();
    for (region, organ) in organs.iter().enumerate().filter(|_| organs.len() > 1) {
        let Organ { label, name } = organ.clone();
        let part = part(&tets, &tet_regions, region as u8);
        if part.tets.is_empty() {
            return Err(ImportError::LostRegion { label, name, feature_mm: options.feature_mm });
        }
        let quality = MeshQuality::measure(&part, &labels, label, &world_from_lps, options.feature_mm);
        agree(&part, organ, &quality);
        regions.push(Region { label, material: material(&name), name, quality });
    }
    progress("measuring the mesh", 1, 1);

    let vessels = trace_vessels(&labels, &world_from_lps, options, progress)?;
    let mut warnings: Vec<Fault> = info.faults.clone();
    warnings.extend(segments.iter().filter(|segment| segment.leaks_removed_ml >= 0.05).map(|segment| {
        let Segment { name, leaks_removed_ml, .. } = segment;
        let message = format!(
            "{leaks_removed_ml:.1} ml that hung on {name} by a narrow neck were taken for a leak and removed: look there"
        );
        Fault::new("segmentation_leak", message)
    }));
    warnings.extend(plausibility(&whole, &info, organ_mean, &quality));
    warnings.extend(agreement.iter().filter(|found| found.hausdorff_max_mm > 2.0 * options.feature_mm).map(|found| {
        let Agreement { name, hausdorff_max_mm, .. } = found;
        let message = format!(
            "mesh and label of {name} are up to {hausdorff_max_mm:.0} mm apart: a part that is thinner than a cell, or apart from the rest, is lost; try a smaller feature size"
        );
        Fault::new("part_lost", message)
    }));
    let organ = Organ { label, name: options.organ.clone() };
    let source = Source {
        modality: info.modality.clone(),
        slices: info.slices,
        spacing_mm: info.spacing_mm.map(|s| s.unwrap_or(0.0)),
        transfer_syntax: info.transfer_syntax.clone(),
        attribution: options.attribution.clone(),
    };
    // below −1024 HU there is only padding; the rest is what 16 bits hold
    let floor = if info.modality == "CT" { -1024.0 } else { f32::from(i16::MIN) };
    let volume = Volume {
        dims: image.dims,
        lps_from_voxel: image.lps_from_voxel,
        voxels: image.voxels.iter().map(|v| v.round().max(floor) as i16).collect(),
    };
    let twin = Twin {
        name: options.name.clone(),
        organ: organ.clone(),
        material: material(&options.organ),
        record,
        parameters: parameters.clone(),
        source,
        world_from_lps,
        quality,
        volume,
        labels,
        tets,
        regions: regions.clone(),
        tet_regions,
        distance,
        vessels: vessels.clone(),
    };
    let volume_error = quality.volume_error();
    Ok((
        twin,
        ImportReport {
            series: info,
            skipped,
            organ,
            organ_mean,
            organ_sd,
            volume_error,
            quality,
            agreement,
            segments,
            regions,
            vessels,
            parameters,
            warnings,
        },
    ))
}

/// Reads the series in `dir` that an import would take, with its volume (on a grid with right angles and even steps, to which tilted and
/// uneven stacks are resampled) and the number of files that are no images.
pub fn read_scan(
    dir: &Path,
    wanted: Option<usize>,
    progress: &dyn Fn(&str, usize, usize),
) -> Result<(SeriesInfo, Volume<f32>, usize), ImportError> {
    let keep = wanted.map_or(Keep::All, Keep::Series);
    let set = read_folder(dir, keep, &|done, all| progress("reading images", done, all))?;
    let (info, image) = choose(set.series, wanted, dir)?;
    Ok((info, image, set.skipped))
}

/// The series to import: the one asked for, or the only one that makes a volume.
fn choose(series: Vec<SeriesResult>, wanted: Option<usize>, dir: &Path) -> Result<(SeriesInfo, Volume<f32>), ImportError> {
    let path = dir.to_owned();
    let count = series.len();
    let no_volume = |path, faults| Err(ImportError::NoVolume { path, faults });
    let result = match wanted {
        Some(index) => match series.into_iter().nth(index) {
            Some(result) => result,
            None => return Err(ImportError::NoSuchSeries { path, series: index, count }),
        },
        None => {
            let faults: Vec<Fault> = series.iter().flat_map(|s| s.info.faults.clone()).collect();
            let (mut whole, list): (Vec<SeriesResult>, Vec<String>) = series
                .into_iter()
                .enumerate()
                .filter(|(_, s)| s.makes_volume())
                .map(|(index, s)| {
                    let line = format!("{index}: {} {}×{}×{}", s.info.modality, s.info.columns, s.info.rows, s.info.slices);
                    (s, line)
                })
                .unzip();
            match (whole.pop(), whole.len()) {
                (None, _) => return no_volume(path, faults),
                (Some(only), 0) => only,
                (Some(_), more) => return Err(ImportError::SeveralSeries { path, count: more + 1, list: list.join(", ") }),
            }
        }
    };
    let info = result.info.clone();
    match result.straight_volume() {
        Ok(volume) if volume.dims.iter().all(|&d| d >= 2) => Ok((info, volume)),
        Ok(_) => no_volume(path, vec![Fault::new("too_few_slices", "a single slice has no depth")]),
        Err(faults) => no_volume(path, faults),
    }
}

fn find_organ(image: &Volume<f32>, info: &SeriesInfo, options: &ImportOptions) -> Result<(Volume<u8>, u8), ImportError> {
    if let Some(path) = &options.labels {
        let further = options.regions.iter().chain(&options.vessels).map(|organ| organ.label);
        let wanted: Vec<u8> = std::iter::once(options.label).chain(further).collect();
        let labels = labels::onto(path, &wanted, image)?;
        labels::require_label(&labels, options.label)?;
        return Ok((labels, options.label));
    }
    let (low, high) = options.hu_range.ok_or(ImportError::NoOrgan)?;
    if info.modality != "CT" {
        return Err(ImportError::NotHounsfield { modality: info.modality.clone() });
    }
    Ok((labels::by_range(image, low, high)?, 1))
}

/// An organ that seeds name.
struct SeededOrgan {
    seeds: Seeds,
    label: u8,
}

impl SeededOrgan {
    fn read(path: &Path, organ: &str) -> Result<Self, RonError> {
        let seeds = Seeds::read(path)?;
        let label = seeds.value(organ)?;
        Ok(Self { seeds, label })
    }

    fn find(
        &self,
        image: &Volume<f32>,
        progress: &dyn Fn(&str, usize, usize),
    ) -> Result<(Volume<u8>, u8, Vec<Segment>), ImportError> {
        let (labels, segments) = segment::organs(image, &self.seeds, progress)?;
        labels::require_label(&labels, self.label)?;
        Ok((labels, self.label, segments))
    }
}

/// The organ and the further regions, each with a label and a name of its own and at least one voxel.
fn organs(labels: &Volume<u8>, label: u8, options: &ImportOptions) -> Result<Vec<Organ>, ImportError> {
    let mut organs = vec![Organ { label, name: options.organ.clone() }];
    if !(options.regions.is_empty() && options.vessels.is_empty()) && options.labels.is_none() && options.seeds.is_none() {
        return Err(ImportError::RegionsWithoutLabels);
    }
    if options.regions.len() >= MAX_REGIONS {
        return Err(ImportError::TooManyRegions { count: options.regions.len() + 1 });
    }
    for region in &options.regions {
        labels::require_label(labels, region.label)?;
        if organs.iter().any(|other| other.label == region.label || other.name == region.name) {
            return Err(ImportError::SameRegion { label: region.label, name: region.name.clone() });
        }
        organs.push(region.clone());
    }
    Ok(organs)
}

/// The trees of the vessels asked for, on a field twice as fine as that of organs.
fn trace_vessels(
    labels: &Volume<u8>,
    world_from_lps: &DAffine3,
    options: &ImportOptions,
    progress: &dyn Fn(&str, usize, usize),
) -> Result<Vec<VesselTree>, ImportError> {
    let fine = Smoothing { spacing_mm: 1.0, sigma_mm: 1.0, margin_mm: 4.0 };
    let mut trees = Vec::new();
    for (done, vessel) in options.vessels.iter().enumerate() {
        progress("tracing vessels", done, options.vessels.len());
        labels::require_label(labels, vessel.label)?;
        let field = smooth_distance(labels, vessel.label, world_from_lps, &fine)
            .ok_or_else(|| ImportError::VesselTooLarge { name: vessel.name.clone() })?;
        trees.push(VesselTree::trace(vessel.label, &vessel.name, &field));
    }
    progress("tracing vessels", trees.len(), trees.len());
    Ok(trees)
}

/// 1 where any of the organs is.
fn mask(labels: &Volume<u8>, organs: &[Organ]) -> Volume<u8> {
    let mut among = [0; 256];
    organs.iter().for_each(|organ| among[usize::from(organ.label)] = 1);
    let voxels = labels.voxels.iter().map(|&value| among[usize::from(value)]).collect();
    Volume { dims: labels.dims, lps_from_voxel: labels.lps_from_voxel, voxels }
}

/// One mesh of all organs, and the field that its outer surface conforms to: like [`mesh`], with the surface of all organs together moved
/// outwards by what the facets cut off.
fn mesh_regions(
    labels: &Volume<u8>,
    whole: &Volume<u8>,
    organs: &[Organ],
    world_from_lps: &DAffine3,
    options: &ImportOptions,
    progress: &dyn Fn(&str, usize, usize),
) -> Option<(RegionMesh, DistanceField)> {
    progress("shaping the surfaces", 0, 2);
    let mut field = smooth_distance(whole, 1, world_from_lps, &options.smoothing)?;
    progress("shaping the surfaces", 1, 2);
    let fields: Option<Vec<DistanceField>> =
        organs.par_iter().map(|organ| smooth_distance(labels, organ.label, world_from_lps, &options.smoothing)).collect();
    let fields = fields?;
    progress("shaping the surfaces", 2, 2);
    let cell = options.feature_mm * 1e-3;
    let wanted = whole.voxels.iter().filter(|v| **v == 1).count() as f64 * labels.voxel_mm3() * 1e-9;
    progress("filling with tetrahedra", 0, 2);
    let first = stuff_regions(&field, std::slice::from_ref(&field), cell)?.tets;
    progress("filling with tetrahedra", 1, 2);
    let offset = ((wanted - first.volume()) / area(&first)).clamp(0.0, 0.25 * cell) as f32;
    field.values.iter_mut().for_each(|v| *v -= offset);
    let mut mesh = stuff_regions(&field, &fields, cell)?;
    progress("filling with tetrahedra", 2, 2);
    if options.close_surface {
        progress("drawing the borders to the labels", 0, 1);
        let targets: Vec<Target> =
            organs.iter().zip(&fields).map(|(organ, field)| Target { label: organ.label, field }).collect();
        conform(&mut mesh.tets, &mesh.regions, &targets, labels, world_from_lps, cell);
        field.values.iter_mut().for_each(|v| *v += offset);
        progress("drawing the borders to the labels", 1, 1);
    }
    Some((mesh, field))
}

/// The tetrahedra and the field they conform to. Facets cut corners, so a first mesh holds a little less than the label; the surface is
/// then moved outwards by the missing volume over the area (some tenths of a millimetre) and filled again.
fn mesh(
    labels: &Volume<u8>,
    label: u8,
    world_from_lps: &DAffine3,
    options: &ImportOptions,
    progress: &dyn Fn(&str, usize, usize),
) -> Option<(TetMesh, DistanceField)> {
    progress("shaping the surface", 0, 1);
    let mut field = smooth_distance(labels, label, world_from_lps, &options.smoothing)?;
    progress("shaping the surface", 1, 1);
    let cell = options.feature_mm * 1e-3;
    let wanted = labels.voxels.iter().filter(|v| **v == label).count() as f64 * labels.voxel_mm3() * 1e-9;
    progress("filling with tetrahedra", 0, 2);
    let first = stuff(&field, cell)?;
    progress("filling with tetrahedra", 1, 2);
    // never more than a quarter cell: a larger lack is a lost part, which no offset brings back
    let offset = ((wanted - first.volume()) / area(&first)).clamp(0.0, 0.25 * cell) as f32;
    field.values.iter_mut().for_each(|v| *v -= offset);
    let mut tets = stuff(&field, cell)?;
    progress("filling with tetrahedra", 2, 2);
    if options.close_surface {
        // the facets fit by themselves then
        field.values.iter_mut().for_each(|v| *v += offset);
        progress("drawing the border to the label", 0, 1);
        conform(&mut tets, &[], &[Target { label, field: &field }], labels, world_from_lps, cell);
        progress("drawing the border to the label", 1, 1);
    }
    Some((tets, field))
}

fn area(mesh: &TetMesh) -> f64 {
    let corner = |v: u32| mesh.vertices[v as usize].as_dvec3();
    mesh.boundary().iter().map(|&([a, b, c], _)| 0.5 * (corner(b) - corner(a)).cross(corner(c) - corner(a)).length()).sum()
}

/// What looks odd about an organ, or is good to know.
fn plausibility(whole: &Volume<u8>, info: &SeriesInfo, mean: f64, quality: &MeshQuality) -> Vec<Fault> {
    let mut out = Vec::new();
    let cut = whole.voxels.iter().enumerate().filter(|(at, value)| **value == 1 && on_edge(whole.dims, *at)).count();
    if cut > 0 {
        out.push(Fault::new(
            "organ_cut_off",
            format!("the organ reaches the edge of the images ({cut} voxels): it is cut off there, with a flat face"),
        ));
    }
    // muscle and organs lie between fat (−100) and contrast-filled vessels
    if info.modality == "CT" && !(-50.0..=250.0).contains(&mean) {
        out.push(Fault::new(
            "not_soft_tissue",
            format!("the mean value inside the organ is {mean:.0} HU, which is not soft tissue: is it the right label?"),
        ));
    }
    if quality.volume_error().abs() > 0.05 {
        let (mesh, label) = (quality.volume_ml, quality.label_volume_ml);
        out.push(Fault::new(
            "volume_differs",
            format!(
                "the mesh holds {mesh:.0} ml and the label {label:.0} ml: thin or separate parts are lost at this feature size"
            ),
        ));
    }
    out
}
