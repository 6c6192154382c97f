//! NRRD images and label maps (teem.sourceforge.net/nrrd/format.html): raw or gzip, in one file or with the voxels beside the header.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use glam::{DAffine3, DMat3, DVec3};

use super::{
    dicom::file_name,
    grid_file::{GridFile, GridHeader, Number},
    info::Fault,
    place::can_lie,
};

/// Longest header that is read; those of segmentations with a hundred segments have some 50 kB.
const MAX_HEADER: u64 = 1 << 20;

/// The fields of a header, by name; names are lower case, as the format asks for.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a file that begins with `NRRD000`.
pub(crate) fn read(path: &Path) -> Result<GridFile, Fault> {
    let name = file_name(path);
    let unreadable = |why: std::io::Error| Fault::new("unreadable", format!("{name} cannot be read: {why}"));
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (fields, header_length) = fields(&mut file, &name)?;
    let header = header(&fields, &name)?;
    let packed = match fields.get("encoding").unwrap_or_default().to_lowercase().as_str() {
        "raw" => false,
        "gz" | "gzip" => true,
        other => {
            let message = format!("{name} is encoded as `{other}`; raw and gzip are read");
            return Err(Fault::new("unsupported_format", message));
        }
    };
    if fields.get("line skip").or(fields.get("lineskip")).is_some_and(|skip| skip != "0") {
        return Err(Fault::new("unsupported_format", format!("{name} skips lines before its voxels; write it without")));
    }
    let (mut from, length): (Box<dyn Read>, u64) = match fields.get("data file").or(fields.get("datafile")) {
        None => {
            let length = file.get_ref().metadata().map_err(unreadable)?.len().saturating_sub(header_length);
            (Box::new(file), length)
        }
        Some(data) => {
            let data = beside(path, data, &name)?;
            let gone = |why: std::io::Error| {
                Fault::new("unreadable", format!("{}, which holds the voxels of {name}, cannot be read: {why}", file_name(&data)))
            };
            let data = File::open(&data).map_err(gone)?;
            let length = data.metadata().map_err(gone)?.len();
            (Box::new(BufReader::new(data)), length)
        }
    };
    header.check_size(length, packed, &name)?;
    let skip: i64 = match fields.get("byte skip").or(fields.get("byteskip")) {
        None => 0,
        Some(text) => text.parse().map_err(|_| Fault::new("bad_value", format!("`byte skip` of {name} is not a number")))?,
    };
    let voxel_bytes = (header.dims.iter().product::<usize>() * header.number.bytes()) as u64;
    // −1: the voxels are the last bytes of the file
    let skip = if skip == -1 && !packed { length - voxel_bytes } else { u64::try_from(skip).unwrap_or(0) };
    if packed {
        from = Box::new(BufReader::new(MultiGzDecoder::new(from)));
    }
    if skip > 0 {
        std::io::copy(&mut from.by_ref().take(skip), &mut std::io::sink()).map_err(unreadable)?;
    }
    header.read_voxels(&mut from, &name)
}

/// The lines up to the blank one, and their length in bytes.
fn fields(file: &mut dyn BufRead, name: &str) -> Result<(Fields, u64), Fault> {
    let bad = |what: &str| Fault::new("bad_structure", format!("the header of {name} {what}"));
    let mut fields = Vec::new();
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        let read = file.take(MAX_HEADER - length).read_until(b'\n', &mut line).map_err(|_| bad("cannot be read"))?;
        length += read as u64;
        if read == 0 && length >= MAX_HEADER {
            return Err(bad("does not end"));
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        // a header without a blank line belongs to voxels in another file
        if line.is_empty() {
            return Ok((Fields(fields), length));
        }
        if line.starts_with('#') || line.starts_with("NRRD000") || line.contains(":=") {
            continue;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| bad("holds a line that is no field"))?;
        fields.push((key.trim().to_lowercase(), value.trim().to_owned()));
    }
}

/// The file of the voxels: beside the header and nowhere else.
fn beside(path: &Path, data: &str, name: &str) -> Result<PathBuf, Fault> {
    let plain = Path::new(data).file_name().is_some_and(|file| file == data) && !data.contains(['%', '\\']);
    if !plain || data.starts_with("LIST") {
        let message = format!("{name} keeps its voxels in several files or another folder; write it as one .nrrd file");
        return Err(Fault::new("unsupported_format", message));
    }
    Ok(path.with_file_name(data))
}

fn header(fields: &Fields, name: &str) -> Result<GridHeader, Fault> {
    let field = |key: &str| {
        fields.get(key).ok_or_else(|| Fault::new("missing_tag", format!("the header of {name} lacks the field `{key}`")))
    };
    let bad = |key: &str| Fault::new("bad_value", format!("the field `{key}` of {name} makes no sense"));
    let sizes: Option<Vec<usize>> = field("sizes")?.split_whitespace().map(|n| n.parse().ok()).collect();
    let sizes = sizes.filter(|s| !s.is_empty() && s.len() <= 16 && !s.contains(&0)).ok_or_else(|| bad("sizes"))?;
    if field("dimension")?.parse() != Ok(sizes.len()) {
        return Err(bad("dimension"));
    }
    let number = match field("type")? {
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => Number::U8,
        "signed char" | "int8" | "int8_t" => Number::I8,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => Number::U16,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => Number::I16,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => Number::U32,
        "int" | "signed int" | "int32" | "int32_t" => Number::I32,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => Number::U64,
        "longlong" | "long long" | "long long int" | "signed long long" | "signed long long int" | "int64" | "int64_t" => {
            Number::I64
        }
        "float" => Number::F32,
        "double" => Number::F64,
        other => {
            let message = format!("{name} stores numbers of type `{other}`; whole and real numbers are read");
            return Err(Fault::new("unsupported_format", message));
        }
    };
    let big_endian = match fields.get("endian") {
        Some("big") => true,
        Some("little") => false,
        None if number.bytes() == 1 => false,
        _ => return Err(bad("endian")),
    };
    let units = match fields.get("space units").map(|units| units.split_whitespace().next().unwrap_or_default().trim_matches('"'))
    {
        Some("m") => 1000.0,
        Some("cm") => 10.0,
        Some("um" | "µm") => 1e-3,
        _ => 1.0,
    };
    // one entry an axis: its direction, or nothing where it does not lie in space
    let directions: Vec<Option<DVec3>> = match fields.get("space directions") {
        None => vec![None; sizes.len()],
        Some(text) => vectors(text).filter(|d| d.len() == sizes.len()).ok_or_else(|| bad("space directions"))?,
    };
    let sound = |spacing: &f64| spacing.is_finite() && *spacing > 0.0;
    let spacings: Vec<Option<f64>> = match fields.get("spacings") {
        None => vec![None; sizes.len()],
        Some(text) => text.split_whitespace().map(|n| n.parse().ok().filter(sound)).collect(),
    };
    let placed = directions.iter().any(Option::is_some);
    let mut axes: Vec<usize> = (0..sizes.len()).filter(|&a| !placed || directions[a].is_some()).collect();
    // where nothing lies in space, further axes of one element do not count
    axes = axes.iter().copied().filter(|&a| placed || sizes[a] > 1 || sizes.len() <= 3).collect();
    if (0..sizes.len()).any(|a| !axes.contains(&a) && sizes[a] > 1) || !(2..=3).contains(&axes.len()) {
        let message =
            format!("{name} holds several values a voxel, several volumes or layers; give one volume with one value a voxel");
        return Err(Fault::new("several_time_points", message));
    }
    let along = |axis: usize| axes.get(axis).copied();
    let dims = [0, 1, 2].map(|axis| along(axis).map_or(1, |a| sizes[a]));
    let spacing_mm = [0, 1, 2].map(|axis| {
        let a = along(axis)?;
        directions[a].map(|d| d.length() * units).filter(sound).or(spacings.get(a).copied().flatten())
    });
    Ok(GridHeader {
        format: "NRRD",
        dims,
        spacing_mm,
        lps_from_voxel: if placed { affine(fields, &axes, &directions, units, name)? } else { None },
        number,
        big_endian,
        rescale: (1.0, 0.0),
        faults: Vec::new(),
        sound: true,
    })
}

/// The affine from voxel to LPS; nothing where the header names no anatomical space.
fn affine(
    fields: &Fields,
    axes: &[usize],
    directions: &[Option<DVec3>],
    units: f64,
    name: &str,
) -> Result<Option<DAffine3>, Fault> {
    let bad = |key: &str| Fault::new("bad_value", format!("the field `{key}` of {name} makes no sense"));
    let to_lps = match fields.get("space").map(str::to_lowercase).as_deref() {
        Some("left-posterior-superior" | "lps") => DVec3::ONE,
        Some("right-anterior-superior" | "ras") => DVec3::new(-1.0, -1.0, 1.0),
        Some("left-anterior-superior" | "las") => DVec3::new(1.0, -1.0, 1.0),
        _ => return Ok(None),
    };
    let Some(origin) = fields.get("space origin") else { return Ok(None) };
    let origin = vectors(origin).and_then(|v| *v.first()?).ok_or_else(|| bad("space origin"))?;
    let column = |axis: usize| axes.get(axis).and_then(|&a| directions[a]);
    let (Some(i), Some(j)) = (column(0), column(1)) else { return Ok(None) };
    let k = column(2).unwrap_or_else(|| i.cross(j).normalize_or_zero());
    let scale = to_lps * units;
    let affine = DAffine3 { matrix3: DMat3::from_cols(i * scale, j * scale, k * scale), translation: origin * scale };
    if !can_lie(&affine) {
        return Err(bad("space directions"));
    }
    Ok(Some(affine))
}

/// `(x,y,z) none (x,y,z)`.
fn vectors(text: &str) -> Option<Vec<Option<DVec3>>> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("none") {
            out.push(None);
            rest = after.trim_start();
            continue;
        }
        let (inner, after) = rest.strip_prefix('(')?.split_once(')')?;
        let numbers: Vec<f64> = inner.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
        let [x, y, z] = numbers.try_into().ok()?;
        out.push(Some(DVec3::new(x, y, z)));
        rest = after.trim_start();
    }
    Some(out)
}
