//! Files to series: which are images, which belong together, and the volume that a series makes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{
    contours,
    dicom::{DataSet, DicomFile, file_name, tags},
    geometry::{Image, StackPlace, geometry, notes},
    grid_file::{GridFile, MAX_VOXELS, named_like_one},
    info::{Fault, Range, SeriesInfo},
    pixels::{PixelModule, stored_frames},
    place::{Place, functional_place, rescale_of},
    straighten::{Stack, is_sheared, stack_of, straighten},
};
use crate::geom::Volume;

/// Files decoded in one go for each core, so that no core waits long for the last one; progress is told between two lots …
const LOT_PER_CORE: usize = 8;
/// … and a lot of more than these bytes has no further file.
const LOT_BYTES: u64 = 64 << 20;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SeriesError {
    #[error("{} is not there", .0.display())]
    NotFound(PathBuf),
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} holds no files", .0.display())]
    Empty(PathBuf),
    #[error("{} holds no images that can be read: DICOM, NIfTI-1 or NRRD ({skipped} other files)", path.display())]
    #[diagnostic(help("give the folder that holds the image files themselves; any extension will do"))]
    NoImages { path: PathBuf, skipped: usize },
    #[error("{} has no voxel {}, {}, {}", path.display(), at[0], at[1], at[2])]
    NoSuchVoxel { at: [usize; 3], path: PathBuf },
}

/// One series, described, with its volume where it makes one.
#[derive(Debug, Clone)]
pub struct SeriesResult {
    pub info: SeriesInfo,
    /// Values after rescale, where the slices make an even grid; a tilt stays in its geometry. Nothing where a fault forbids a volume (a
    /// reader must not get a wrong one in silence).
    pub volume: Option<Volume<f32>>,
    /// The slices in their order where they make no even grid, but a volume all the same: each has its place.
    pub(crate) stack: Option<Stack>,
}

/// What a folder holds.
#[derive(Debug, Clone)]
pub struct SeriesSet {
    pub series: Vec<SeriesResult>,
    /// Files that are no images, or stand beside a DICOM series in another format.
    pub skipped: usize,
}

/// Of which series the values are kept; all are described.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Keep {
    Nothing,
    All,
    /// The one at this place.
    Series(usize),
}

impl Keep {
    fn keeps(self, series: usize) -> bool {
        match self {
            Keep::Nothing => false,
            Keep::All => true,
            Keep::Series(wanted) => wanted == series,
        }
    }
}

/// Reads every DICOM series in a folder (recursively, whatever the files are called) or in one file. A NIfTI-1 or NRRD file is a series by
/// itself; in a folder they count only where it holds no DICOM, since beside a series they are its labels or its copy.
///
/// `progress` hears (files done, files in all). What is wrong with a series is told in its faults; errors are about the path.
pub fn read_series(path: &Path, progress: &dyn Fn(usize, usize)) -> Result<Vec<SeriesResult>, SeriesError> {
    read_folder(path, Keep::All, progress).map(|set| set.series)
}

/// As [`read_series`], with the number of files that are something else; only the series in `keep` get their volumes.
pub(crate) fn read_folder(path: &Path, keep: Keep, progress: &dyn Fn(usize, usize)) -> Result<SeriesSet, SeriesError> {
    let files = files_under(path)?;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut skipped = 0;
    let mut room = MAX_VOXELS as usize;
    progress(0, files.len());
    let mut rest = files.as_slice();
    while !rest.is_empty() {
        let (lot, further) = rest.split_at(lot_of(rest));
        rest = further;
        let read = |file: &PathBuf| {
            let mut images = FileImages::read(file)?;
            images.iter_mut().filter(|_| keep == Keep::Nothing).for_each(FileImages::forget_values);
            Ok(images)
        };
        let read: Vec<std::io::Result<Option<FileImages>>> = lot.par_iter().map(read).collect();
        for (file, images) in lot.iter().zip(read) {
            let Some(mut images) = images.map_err(|source| SeriesError::Unreadable { path: file.clone(), source })? else {
                skipped += 1;
                continue;
            };
            let order = groups.len();
            let group = groups.entry(images.key.clone()).or_insert_with(|| Group { order, files: Vec::new() });
            if !keep.keeps(group.order) {
                images.forget_values();
            }
            let voxels: usize = images.images.iter().map(|image| image.values.len()).sum();
            if voxels > room {
                images.forget_values();
                let message = format!("the images hold more than {MAX_VOXELS} voxels in all; choose one series, or fewer slices");
                images.faults.push(Fault::new("too_large", message));
            } else {
                room -= voxels;
            }
            group.files.push(images);
        }
        progress(files.len() - rest.len(), files.len());
    }
    if groups.is_empty() {
        let series = read_grids(&files, keep)?;
        skipped -= series.len();
        return if series.is_empty() {
            Err(SeriesError::NoImages { path: path.to_owned(), skipped })
        } else {
            Ok(SeriesSet { series, skipped })
        };
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| group.order);
    Ok(SeriesSet { series: groups.into_iter().map(Group::assemble).collect(), skipped })
}

/// How many of these files, of which there is at least one, to decode in one go.
fn lot_of(files: &[PathBuf]) -> usize {
    let mut bytes = 0;
    let fits = |file: &&PathBuf| {
        let room = bytes <= LOT_BYTES;
        bytes += std::fs::metadata(file).map_or(0, |meta| meta.len());
        room
    };
    files.iter().take(LOT_PER_CORE * rayon::current_num_threads()).take_while(fits).count()
}

/// The files that are NIfTI or NRRD, one series each.
fn read_grids(files: &[PathBuf], keep: Keep) -> Result<Vec<SeriesResult>, SeriesError> {
    let mut series: Vec<SeriesResult> = Vec::new();
    for path in files {
        let name = file_name(path);
        let found = match GridFile::open(path).map_err(|source| SeriesError::Unreadable { path: path.clone(), source })? {
            Some(Ok(grid)) => grid.into_series(&name),
            Some(Err(fault)) => SeriesResult::broken(fault),
            None if named_like_one(path) => {
                let message = format!("{name} is not what its name says: its header is damaged");
                SeriesResult::broken(Fault::new("bad_structure", message))
            }
            None => continue,
        };
        let volume = found.volume.filter(|_| keep.keeps(series.len()));
        series.push(SeriesResult { volume, ..found });
    }
    Ok(series)
}

impl SeriesResult {
    /// A file of which nothing is known but its fault.
    fn broken(fault: Fault) -> Self {
        let mut info = SeriesInfo::blank(0, 0, 0, String::new());
        info.faults.push(fault);
        Self { info, volume: None, stack: None }
    }

    /// Whether [`Self::straight_volume`] has something to give.
    pub fn makes_volume(&self) -> bool {
        self.volume.is_some() || self.stack.is_some()
    }

    /// The value at column i, row j of slice k, as the files hold it.
    pub fn voxel(&self, at: [usize; 3]) -> Option<f32> {
        self.volume.as_ref().or(self.stack.as_ref().map(|stack| &stack.volume))?.get(at)
    }

    /// The volume on a grid with right angles and even steps: as it is where it has them, else resampled by the slices' positions.
    ///
    /// # Errors
    /// The faults that forbid a volume.
    pub fn straight_volume(self) -> Result<Volume<f32>, Vec<Fault>> {
        let stack = match (self.volume, self.stack) {
            (Some(volume), _) if volume.dims[2] < 2 || !is_sheared(&volume.lps_from_voxel) => return Ok(volume),
            (Some(volume), _) => stack_of(volume),
            (None, Some(stack)) => stack,
            (None, None) => return Err(self.info.faults),
        };
        straighten(&stack).map_err(|fault| vec![fault])
    }
}

/// Every file under a path, in the order of their names; links to folders are not followed.
pub(crate) fn files_under(path: &Path) -> Result<Vec<PathBuf>, SeriesError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => SeriesError::NotFound(path),
            _ => SeriesError::Unreadable { path, source },
        }
    };
    let kind = std::fs::metadata(path).map_err(unreadable(path))?;
    if kind.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !kind.is_dir() {
        // a pipe or a device may never end
        return Err(unreadable(path)(std::io::Error::other("it is neither a file nor a folder")));
    }
    let (mut folders, mut files) = (vec![path.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let entry = entry.map_err(unreadable(&folder))?;
            let kind = entry.file_type().map_err(unreadable(&folder))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file()) {
                files.push(entry.path());
            }
        }
    }
    if files.is_empty() {
        return Err(SeriesError::Empty(path.to_owned()));
    }
    files.sort();
    Ok(files)
}

/// What is wrong with the image that a data set holds; `name` stands in messages.
pub(crate) fn image_faults(set: &DataSet<'_>, syntax: &str, name: &str) -> Vec<Fault> {
    FileImages::of(set, syntax, name).faults
}

/// The images of one file.
struct FileImages {
    key: String,
    modality: String,
    transfer_syntax: String,
    images: Vec<Image>,
    faults: Vec<Fault>,
}

struct Group {
    order: usize,
    files: Vec<FileImages>,
}

impl FileImages {
    fn read(path: &Path) -> std::io::Result<Option<Self>> {
        let name = file_name(path);
        let broken = |fault: Fault| Self {
            key: format!("broken {name}"),
            modality: String::new(),
            transfer_syntax: String::new(),
            images: Vec::new(),
            faults: vec![fault],
        };
        Ok(match DicomFile::open(path)? {
            None => None,
            Some(Err(fault)) => Some(broken(fault)),
            Some(Ok(file)) => Some(match file.data_set() {
                Err(fault) => broken(Fault { message: format!("{name}: {}", fault.message), ..fault }),
                Ok(set) => Self::of(&set, &file.transfer_syntax, &name),
            }),
        })
    }

    fn of(set: &DataSet<'_>, syntax: &str, name: &str) -> Self {
        let modality = set.text(tags::MODALITY).unwrap_or_default();
        let shared = set.items(tags::SHARED_GROUPS).first().map(functional_place).unwrap_or_default();
        let place = Place::read(set).or(shared.0);
        let mut file =
            Self { key: String::new(), modality, transfer_syntax: syntax.to_owned(), images: Vec::new(), faults: Vec::new() };
        let size = (set.u16(tags::ROWS), set.u16(tags::COLUMNS));
        file.key = match set.text(tags::SERIES_UID) {
            Some(uid) => format!("uid {uid}"),
            None => format!("blank {} {size:?} {}", file.modality, place.key()),
        };
        if contours::is_structure_set(set) {
            let message = format!("{name} holds contours, not an image; give it to `patient import` with --labels");
            file.faults.push(Fault::new("structure_set", message));
            return file;
        }
        if set.get(tags::PIXEL_DATA).is_none() {
            let (code, what) = if set.broken && size.0.is_some() {
                ("truncated_pixel_data", "ends before its pixel data (7FE0,0010); fetch the file again")
            } else {
                ("no_pixel_data", "holds no pixel data (7FE0,0010): it is not an image")
            };
            file.faults.push(Fault::new(code, format!("{name} {what}")));
            return file;
        }
        let module = match PixelModule::read(set, name) {
            Ok(module) => module,
            Err(fault) => {
                file.faults.push(fault);
                return file;
            }
        };
        if set.get(tags::MODALITY_LUT).is_some() {
            file.faults.push(Fault::new(
                "modality_lut",
                format!("{name} maps its values by a table (0028,3000), which is not applied; its values have no measure"),
            ));
        }
        let frames = stored_frames(set, &module, syntax, name);
        let frames = frames.unwrap_or_else(|fault| {
            file.faults.push(fault);
            Vec::new()
        });
        let groups = set.items(tags::FRAME_GROUPS);
        if set.text(tags::SLOPE).is_some() != set.text(tags::INTERCEPT).is_some()
            || (set.text(tags::SLOPE).is_some() && rescale_of(set).is_none())
        {
            let message = format!("RescaleSlope and RescaleIntercept (0028,1053 and 1052) of {name} are not two numbers");
            file.faults.push(Fault::new("bad_value", message));
        }
        let rescale = rescale_of(set).or(shared.1).unwrap_or((1.0, 0.0));
        let mut frames = frames.into_iter();
        for frame in 0..module.frames.min(MAX_FRAMES) {
            let (own_place, own_rescale) = groups.get(frame).map(functional_place).unwrap_or_default();
            let mut place = own_place.or(place);
            if module.frames > 1 {
                // one position for all frames is no position
                place.position = own_place.position;
            }
            let rescale = own_rescale.unwrap_or(rescale);
            let (slope, intercept) = rescale;
            let mut values = frames.next().unwrap_or_default();
            values.iter_mut().for_each(|v| *v = (f64::from(*v) * slope + intercept) as f32);
            let range = (!values.is_empty()).then(|| Range::of(&values));
            file.images.push(Image { rows: module.rows, columns: module.columns, place, rescale, range, values });
        }
        if file.images.iter().filter_map(|image| image.range).any(|range| !range.is_finite()) {
            let message = format!("{name} has a rescale (0028,1052 and 1053) that takes its values beyond all numbers");
            file.faults.push(Fault::new("bad_value", message));
        }
        file
    }

    fn forget_values(&mut self) {
        self.images.iter_mut().for_each(|image| image.values = Vec::new());
    }
}

/// Frames of one file that are looked at; a longer file is refused by its pixel data's length or its missing positions.
const MAX_FRAMES: usize = 1 << 16;

impl Group {
    fn assemble(self) -> SeriesResult {
        let modality = self.files.iter().map(|file| file.modality.clone()).find(|m| !m.is_empty()).unwrap_or_default();
        let syntaxes: BTreeSet<String> =
            self.files.iter().map(|file| file.transfer_syntax.clone()).filter(|s| !s.is_empty()).collect();
        let mut faults: Vec<Fault> = Vec::new();
        let mut images: Vec<Image> = Vec::new();
        for file in self.files {
            faults.extend(file.faults);
            images.extend(file.images);
        }
        let unreadable = !faults.is_empty();
        let first = images.first();
        let (rows, columns) = (first.map_or(0, |image| image.rows), first.map_or(0, |image| image.columns));
        let syntax = syntaxes.into_iter().collect::<Vec<_>>().join("\\");
        let mut info = SeriesInfo { modality, ..SeriesInfo::blank(images.len(), rows, columns, syntax) };
        let place = geometry(&mut images, &mut info, &mut faults);
        Range::describe(images.iter().filter_map(|image| image.range), &mut info);
        faults.extend(notes(&images, &info));
        let whole = images.iter().all(|image| !image.values.is_empty());
        info.faults = faults;
        let Some(StackPlace { lps_from_voxel, even }) = place.filter(|_| whole && !unreadable) else {
            return SeriesResult { info, volume: None, stack: None };
        };
        let origins = images.iter().filter_map(|image| image.place.position).collect();
        let dims = [info.columns, info.rows, images.len()];
        let mut voxels = Vec::with_capacity(dims.iter().product());
        // slice by slice, so that the series is not held twice
        images.into_iter().for_each(|image| voxels.extend(image.values));
        let volume = Volume { dims, lps_from_voxel, voxels };
        if even {
            SeriesResult { info, volume: Some(volume), stack: None }
        } else {
            SeriesResult { info, volume: None, stack: Some(Stack { volume, origins }) }
        }
    }
}
