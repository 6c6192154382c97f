//! `halsted patient`: what an image series is, and how it becomes a twin.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Answer, Found, print_json, print_line, progress::Progress};
use crate::patient::{
    DeidentifyOptions, ImportOptions, ImportReport, MeshQuality, Organ, Picture, Plane, RECIPE_FILE, Recipe, SeriesInfo,
    Smoothing, Twin, Window, deidentify_folder, import, labels, middle, patient_info, read_recipe, read_series, report_html,
    segment::Seeds,
};

#[derive(Subcommand)]
pub enum Patient {
    /// What an image series is: geometry, intensities, faults
    Info(Info),
    /// Find organs from seeds, or tissues by their values, and write them as a NIfTI label map
    Segment(super::segment::Segment),
    /// Make a patient twin of an image series
    Import(Box<Import>),
    /// Look at the scan of a twin: slices, volume, the meshed organ
    View(super::scan::View),
    /// Learn the twin's model from a table of patients, or measure a model on one
    Fit(super::fit::Fit),
    /// Copy a series without anything about the person: only what an allow list names survives
    Deidentify(Deidentify),
    Find(super::pacs::Find),
    Fetch(super::pacs::Fetch),
}

#[derive(Args)]
pub struct Info {
    /// A folder of DICOM files, or one DICOM, NIfTI or NRRD file
    path: PathBuf,
    #[arg(long)]
    json: bool,
    /// Also write the middle axial, coronal and sagittal slice of each series here, as PNG
    #[arg(long, value_name = "DIR")]
    png: Option<PathBuf>,
    /// Values shown from black to white in them: middle and width (CT: 40,400; else what lies between the 1st and the 99th per cent)
    #[arg(long, value_name = "LEVEL,WIDTH", value_parser = window, allow_hyphen_values = true, requires = "png")]
    window: Option<Window>,
    /// Also the value of one voxel: column, row, slice
    #[arg(long, value_name = "I,J,K", value_parser = voxel)]
    voxel: Option<[usize; 3]>,
}

#[derive(Args)]
pub struct Import {
    /// The folder of the series, or its NIfTI or NRRD file; with an `import.ron` in the folder, that says the rest
    dir: PathBuf,
    /// Where the twin goes (a new folder)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Labels of the same scan (NIfTI, NRRD, DICOM SEG, or the contours of an RTSTRUCT)
    #[arg(long, value_name = "FILE", conflicts_with = "hu")]
    labels: Option<PathBuf>,
    /// The organ's value in the label map, or its name in a DICOM SEG or RTSTRUCT
    #[arg(long, default_value = "1")]
    label: String,
    /// Without a label map: find the organ, and all else that the file names, from seeds (RON), as `patient segment` does
    #[arg(long, value_name = "RON", conflicts_with_all = ["labels", "hu", "label"])]
    seeds: Option<PathBuf>,
    /// A further organ of the label map to mesh with it, sharing faces where they touch; may be given several times
    #[arg(long = "region", value_name = "LABEL:NAME", value_parser = region, conflicts_with = "hu")]
    regions: Vec<Wanted>,
    /// A vessel of the label map whose centre lines and radii to trace; may be given several times
    #[arg(long = "vessel", value_name = "LABEL:NAME", value_parser = region, conflicts_with = "hu")]
    vessels: Vec<Wanted>,
    /// Without a label map: the organ is the largest part between these HU
    #[arg(long, value_name = "LOW,HIGH", value_parser = range, allow_hyphen_values = true)]
    hu: Option<(f32, f32)>,
    /// The organ's name
    #[arg(long, default_value = "organ")]
    organ: String,
    /// Which series, counted from 0 as `patient info` lists them
    #[arg(long)]
    series: Option<usize>,
    /// Size of an element, mm
    #[arg(long, value_name = "MM")]
    feature_mm: Option<f64>,
    /// Standard deviation of the Gaussian that rounds the voxels' stairs off, mm: smaller is nearer to the label and rougher
    #[arg(long, value_name = "MM")]
    smoothing_mm: Option<f64>,
    /// The twin's name: not a person's
    #[arg(long)]
    name: Option<String>,
    /// Whom to name, and under which licence
    #[arg(long)]
    attribution: Option<String>,
    /// What is known of the person beside the images (RON): age, sex, diagnoses, medication, vital signs
    #[arg(long, value_name = "RON")]
    record: Option<PathBuf>,
    /// A model that stands before the literature, as `patient fit` writes it
    #[arg(long, value_name = "RON")]
    model: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Deidentify {
    dir: PathBuf,
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// I have looked at the pictures: no burned-in text, no recognisable face
    #[arg(long)]
    checked: bool,
}

fn voxel(text: &str) -> Result<[usize; 3], String> {
    let parts: Vec<usize> = text
        .split(',')
        .map(|part| part.trim().parse().map_err(|_| format!("`{part}` is not a whole number")))
        .collect::<Result<_, _>>()?;
    parts.try_into().map_err(|_| "three numbers: column,row,slice".to_owned())
}

/// A label, by number or name, and what to call it.
#[derive(Debug, Clone)]
struct Wanted {
    label: String,
    name: String,
}

impl Wanted {
    /// Its number in the label map, or in the seeds, one of which is given.
    fn organ(&self, labels: Option<&Path>, seeds: Option<&Seeds>) -> miette::Result<Organ> {
        let label = match (labels, seeds) {
            (Some(labels), _) => labels::number_of(labels, &self.label)?,
            (None, Some(seeds)) => self.label.parse().or_else(|_| seeds.value(&self.label))?,
            (None, None) => return Err(miette::miette!("--region and --vessel need a label map (--labels) or seeds (--seeds)")),
        };
        Ok(Organ { label, name: self.name.clone() })
    }
}

fn region(text: &str) -> Result<Wanted, String> {
    let fault = || "a label (from 1 to 255, or its name in a DICOM file) and a name: 1:spleen or 64:portal vein".to_owned();
    let (label, name) = text.split_once(':').ok_or_else(fault)?;
    let [label, name] = [label, name].map(|part| part.trim().to_owned());
    let number = label.parse::<i64>();
    if name.is_empty() || label.is_empty() || number.is_ok_and(|n| !(1..=255).contains(&n)) {
        return Err(fault());
    }
    Ok(Wanted { label, name })
}

fn range(text: &str) -> Result<(f32, f32), String> {
    let parts: Vec<f32> = text
        .split(',')
        .map(|part| part.trim().parse().map_err(|_| format!("`{part}` is not a number")))
        .collect::<Result<_, _>>()?;
    match parts[..] {
        [low, high] if low < high => Ok((low, high)),
        _ => Err("two numbers, the lower first: 0,200".to_owned()),
    }
}

fn window(text: &str) -> Result<Window, String> {
    let parts: Vec<f64> = text
        .split(',')
        .map(|part| part.trim().parse().map_err(|_| format!("`{part}` is not a number")))
        .collect::<Result<_, _>>()?;
    match parts[..] {
        [level, width] if level.is_finite() && width.is_finite() && width > 0.0 => Ok(Window { level, width }),
        _ => Err("two numbers, the second above 0: 40,400".to_owned()),
    }
}

impl Patient {
    pub fn run(self) -> Answer {
        match self {
            Patient::Info(info) => info.run(),
            Patient::Segment(segment) => segment.run(),
            Patient::Import(import) => import.run(),
            Patient::View(view) => view.run(),
            Patient::Fit(fit) => fit.run(),
            Patient::Deidentify(deidentify) => deidentify.run(),
            Patient::Find(find) => find.run(),
            Patient::Fetch(fetch) => fetch.run(),
        }
    }
}

impl Info {
    fn run(self) -> Answer {
        let progress = Progress::new();
        let info = patient_info(&self.path, self.voxel, &|done, total| progress.at("reading", done, total));
        progress.end();
        let info = info?;
        if let Some(folder) = &self.png {
            write_slices(&self.path, folder, self.window)?;
        }
        if self.json {
            print_json(&info)?;
        } else {
            for (number, series) in info.series.iter().enumerate() {
                print_line(&format!("series {number}: {}", describe(series)))?;
                for fault in &series.faults {
                    print_line(&format!("  {}: {}", fault.code, fault.message))?;
                }
            }
        }
        Ok(Found::Well)
    }
}

/// Writes the middle slices of every series that makes a volume.
fn write_slices(path: &Path, folder: &Path, window: Option<Window>) -> miette::Result<()> {
    let io = |path: &Path, why: std::io::Error| miette::miette!("{}: cannot be written: {why}", path.display());
    std::fs::create_dir_all(folder).map_err(|why| io(folder, why))?;
    for (number, series) in read_series(path, &|_, _| ())?.into_iter().enumerate() {
        let modality = series.info.modality.clone();
        let Ok(volume) = series.straight_volume() else { continue };
        let window = window.unwrap_or_else(|| Window::usual(&modality, &volume));
        for plane in Plane::ALL {
            let file = folder.join(format!("series-{number}-{}.png", plane.name()));
            Picture::slice(&volume, None, plane, middle(&volume), window).write(&file).map_err(|why| io(&file, why))?;
            eprintln!("{}", file.display());
        }
    }
    Ok(())
}

impl Import {
    fn run(self) -> Answer {
        let recipe =
            if self.labels.is_none() && self.hu.is_none() && self.seeds.is_none() { read_recipe(&self.dir)? } else { None };
        let smoothing = |from: Smoothing| Smoothing { sigma_mm: self.smoothing_mm.unwrap_or(from.sigma_mm), ..from };
        let (scan, options) = match recipe {
            Some(Recipe { scan, options }) => {
                eprintln!("as {} says", self.dir.join(RECIPE_FILE).display());
                let options = ImportOptions {
                    name: self.name.unwrap_or(options.name),
                    series: self.series,
                    feature_mm: self.feature_mm.unwrap_or(options.feature_mm),
                    smoothing: smoothing(options.smoothing),
                    attribution: self.attribution.or(options.attribution),
                    record: self.record.or(options.record),
                    model: self.model,
                    ..options
                };
                (scan, options)
            }
            None => {
                let stem = self.out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let default = ImportOptions::default();
                let seeds = self.seeds.as_deref().map(Seeds::read).transpose()?;
                let organs = |wanted: &[Wanted]| -> miette::Result<Vec<Organ>> {
                    wanted.iter().map(|wanted| wanted.organ(self.labels.as_deref(), seeds.as_ref())).collect()
                };
                let (regions, vessels) = (organs(&self.regions)?, organs(&self.vessels)?);
                let label = self.labels.as_deref().map_or(Ok(default.label), |labels| labels::number_of(labels, &self.label))?;
                let options = ImportOptions {
                    name: self.name.unwrap_or(stem),
                    labels: self.labels,
                    label,
                    seeds: self.seeds,
                    organ: self.organ,
                    regions,
                    vessels,
                    hu_range: self.hu,
                    series: self.series,
                    feature_mm: self.feature_mm.unwrap_or(default.feature_mm),
                    smoothing: smoothing(default.smoothing),
                    close_surface: default.close_surface,
                    attribution: self.attribution,
                    record: self.record,
                    model: self.model,
                };
                (self.dir, options)
            }
        };
        let progress = Progress::new();
        let imported = import(&scan, &options, &|stage, done, total| progress.at(stage, done, total));
        progress.end();
        let (twin, report) = imported?;
        write_twin(&twin, &report, &self.out)?;
        if self.json {
            print_json(&report)?
        } else {
            print_line(&summary(&report))?
        }
        Ok(Found::Well)
    }
}

impl Deidentify {
    fn run(self) -> Answer {
        let options = DeidentifyOptions { pixels_checked: self.checked, ..DeidentifyOptions::default() };
        let report = deidentify_folder(&self.dir, &self.out, &options)?;
        print_line(&format!(
            "{} files in {}, {} that are no images left out",
            report.written,
            self.out.display(),
            report.skipped
        ))?;
        Ok(Found::Well)
    }
}

/// Writes a twin with the report of its import, both whole or neither.
pub fn write_twin(twin: &Twin, report: &ImportReport, folder: &Path) -> miette::Result<()> {
    let page = report_html(twin, report).map_err(|why| miette::miette!("the report cannot be put together: {why}"))?;
    Ok(twin.write_with(folder, &[("report.html", page.as_bytes())])?)
}

/// A series in one line.
fn describe(series: &SeriesInfo) -> String {
    let spacing: Vec<String> = series.spacing_mm.iter().map(|mm| mm.map_or("?".to_owned(), |mm| format!("{mm:.3}"))).collect();
    let range = match (series.value_min, series.value_max) {
        (Some(low), Some(high)) => format!("values {low:.0} to {high:.0}"),
        _ => "no values".to_owned(),
    };
    let SeriesInfo { modality, columns, rows, slices, .. } = series;
    format!("{modality} {columns} × {rows} × {slices}, {} mm, {range}", spacing.join(" × "))
}

/// An import for a person at a terminal.
pub fn summary(report: &ImportReport) -> String {
    let quality = &report.quality;
    let mesh = |quality: &MeshQuality| {
        format!(
            "{} tetrahedra of {:.1} ml, smallest dihedral angle {:.1}°, 95 % of the surface within {:.2} mm of the label",
            quality.tets, quality.volume_ml, quality.dihedral_min_deg, quality.label_distance_p95_mm
        )
    };
    let mut lines = vec![describe(&report.series)];
    let values = format!("{:.0} ± {:.0} HU", report.organ_mean, report.organ_sd);
    if report.regions.is_empty() {
        lines.push(format!("{}: {:.0} ml, {values}; {}", report.organ.name, quality.label_volume_ml, mesh(quality)));
    } else {
        lines.push(format!("{} regions: {:.0} ml; {}", report.regions.len(), quality.label_volume_ml, mesh(quality)));
        lines.push(format!("{}: {values}", report.organ.name));
        lines.extend(
            report
                .regions
                .iter()
                .map(|region| format!("{}: {:.1} ml; {}", region.name, region.quality.label_volume_ml, mesh(&region.quality))),
        );
    }
    lines.extend(report.vessels.iter().map(|tree| {
        let widest = tree.branches.iter().map(|branch| branch.radius_mm).fold(0.0, f64::max);
        format!("{}: {} branches, {:.0} mm long, radius up to {widest:.1} mm", tree.name, tree.branches.len(), tree.length_mm())
    }));
    lines.extend(report.segments.iter().map(|segment| format!("found from seeds: {segment}")));
    lines.extend(report.agreement.iter().map(|organ| {
        format!(
            "{}: mesh against label: Dice {:.3}, Hausdorff 95 % {:.2} mm, volume {:+.2} %",
            organ.name,
            organ.dice,
            organ.hausdorff_p95_mm,
            100.0 * organ.volume_error
        )
    }));
    lines.extend(report.warnings.iter().map(|warning| format!("note: {}", warning.message)));
    lines.join("\n")
}
