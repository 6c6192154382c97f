//! The twin: a patient made simulable, as one folder without a person in it.
//!
//! `twin.ron` says what it is, with the length and SHA-256 of each binary file beside it, so that the hash of `twin.ron` stands for the
//! whole. A folder appears complete or not at all: it is written under another name and renamed.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use glam::{DAffine3, DMat3, DVec3};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    binary, material::Material, parameters::Parameters, quality::MeshQuality, record::PatientRecord, regions::part,
    vessels::VesselTree,
};
use crate::geom::{DistanceField, MeshError, TetMesh, TriMesh, Volume};

/// A twin of one organ has the first of these versions, one with regions or vessels the second.
const VERSIONS: [u32; 2] = [2, 3];
/// The file that makes a folder a twin.
pub const TWIN_FILE: &str = "twin.ron";
/// Largest `twin.ron` that is read.
const MAX_RON: u64 = 1 << 20;

/// The organ that is meshed: its value in the label map and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organ {
    pub label: u8,
    pub name: String,
}

/// One region of a mesh of several organs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    pub label: u8,
    pub name: String,
    pub material: Material,
    /// Of the region alone: its surface holds the borders to its neighbours.
    pub quality: MeshQuality,
}

/// What the images were. No UID, date or name: nothing that leads to a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub modality: String,
    pub slices: usize,
    /// Between rows, columns and slices, mm.
    pub spacing_mm: [f64; 3],
    pub transfer_syntax: String,
    /// Whom to name and under which licence, where the images ask for it.
    pub attribution: Option<String>,
}

/// A patient made simulable.
#[derive(Debug, Clone, PartialEq)]
pub struct Twin {
    pub name: String,
    pub organ: Organ,
    pub material: Material,
    /// What is known of the person beside the images.
    pub record: Option<PatientRecord>,
    /// What the model makes of images and record: `z = A x + B d`.
    pub parameters: Parameters,
    pub source: Source,
    /// World metres from LPS millimetres.
    pub world_from_lps: DAffine3,
    pub quality: MeshQuality,
    /// HU for CT.
    pub volume: Volume<i16>,
    /// Labels on the volume's grid.
    pub labels: Volume<u8>,
    /// The organ, or all regions, in the world.
    pub tets: TetMesh,
    /// What the mesh consists of where it is more than one organ, the organ itself first; else nothing.
    pub regions: Vec<Region>,
    /// The place in `regions` of each tetrahedron; nothing where there are none.
    pub tet_regions: Vec<u8>,
    /// Signed distance to the surface of the whole mesh, in the world.
    pub distance: DistanceField,
    /// Centre lines and radii of vessels, where they were asked for.
    pub vessels: Vec<VesselTree>,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TwinError {
    #[error("{} is not a patient twin: it holds no {TWIN_FILE}", .0.display())]
    #[diagnostic(help("`halsted patient import` makes one"))]
    NotATwin(PathBuf),
    #[error("{} cannot be {doing}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, column: usize, message: String },
    #[error("{} has format version {found}; this program reads {} and {}", path.display(), VERSIONS[0], VERSIONS[1])]
    #[diagnostic(help("import the patient's images again, or use the program that wrote the twin"))]
    Version { path: PathBuf, found: u32 },
    #[error("{} {what}", path.display())]
    #[diagnostic(help("copy the twin again or import it anew"))]
    Damaged { path: PathBuf, what: String },
    #[error("the mesh of {} cannot be simulated: {fault}", path.display())]
    Mesh { path: PathBuf, fault: MeshError },
    #[error("{} is there already and is not a patient twin; it is left alone", .0.display())]
    Occupied(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFact {
    file: String,
    bytes: u64,
    sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    volume: FileFact,
    labels: FileFact,
    mesh: FileFact,
    distance: FileFact,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    regions: Option<FileFact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vessels: Option<FileFact>,
}

/// `twin.ron` as written. An affine is its three rows of four numbers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TwinRon {
    version: u32,
    name: String,
    organ: Organ,
    material: Material,
    record: Option<PatientRecord>,
    parameters: Parameters,
    source: Source,
    world_from_lps: [f64; 12],
    lps_from_voxel: [f64; 12],
    quality: MeshQuality,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    regions: Vec<Region>,
    files: Files,
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

fn rows(affine: &DAffine3) -> [f64; 12] {
    let (m, t) = (affine.matrix3, affine.translation);
    let row = |r: usize| [m.col(0)[r], m.col(1)[r], m.col(2)[r], t[r]];
    let [a, b, c] = [row(0), row(1), row(2)];
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3]]
}

fn affine(rows: &[f64; 12]) -> Option<DAffine3> {
    let column = |c: usize| DVec3::new(rows[c], rows[4 + c], rows[8 + c]);
    let affine = DAffine3 { matrix3: DMat3::from_cols(column(0), column(1), column(2)), translation: column(3) };
    (affine.is_finite() && affine.matrix3.determinant() != 0.0).then_some(affine)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Twin {
    /// The mesh's surface, or that of each of its regions, with the label that it was made from; in the frame of the images (mm).
    pub fn surfaces_in_lps(&self) -> Vec<(u8, TriMesh)> {
        let lps_from_world = self.world_from_lps.inverse();
        let of = |(place, region): (usize, &Region)| (region.label, part(&self.tets, &self.tet_regions, place as u8).surface());
        let mut surfaces: Vec<(u8, TriMesh)> = self.regions.iter().enumerate().map(of).collect();
        if surfaces.is_empty() {
            surfaces.push((self.organ.label, self.tets.surface()));
        }
        let vertices = surfaces.iter_mut().flat_map(|(_, surface)| &mut surface.vertices);
        vertices.for_each(|v| *v = lps_from_world.transform_point3(v.as_dvec3()).as_vec3());
        surfaces
    }

    /// Every file of the twin's folder: names and bytes, `twin.ron` last. The same twin always gives the same bytes.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![
            ("volume.bin".to_owned(), binary::write_volume(self.volume.dims, &self.volume.voxels)),
            ("labels.bin".to_owned(), binary::write_labels(self.labels.dims, &self.labels.voxels)),
            ("mesh.bin".to_owned(), binary::write_mesh(&self.tets)),
            ("distance.bin".to_owned(), binary::write_distance(&self.distance)),
        ];
        if !self.regions.is_empty() {
            files.push(("regions.bin".to_owned(), binary::write_regions(&self.tet_regions)));
        }
        if !self.vessels.is_empty() {
            let text = ron::to_string(&self.vessels).expect("plain numbers and strings are always written");
            files.push(("vessels.ron".to_owned(), text.into_bytes()));
        }
        let fact =
            |(file, bytes): &(String, Vec<u8>)| FileFact { file: file.clone(), bytes: bytes.len() as u64, sha256: sha256(bytes) };
        let named = |name: &str| files.iter().find(|(file, _)| file == name).map(fact);
        let ron = TwinRon {
            version: VERSIONS[usize::from(files.len() > 4)],
            name: self.name.clone(),
            organ: self.organ.clone(),
            material: self.material.clone(),
            record: self.record.clone(),
            parameters: self.parameters.clone(),
            source: self.source.clone(),
            world_from_lps: rows(&self.world_from_lps),
            lps_from_voxel: rows(&self.volume.lps_from_voxel),
            quality: self.quality,
            regions: self.regions.clone(),
            files: Files {
                volume: fact(&files[0]),
                labels: fact(&files[1]),
                mesh: fact(&files[2]),
                distance: fact(&files[3]),
                regions: named("regions.bin"),
                vessels: named("vessels.ron"),
            },
        };
        let pretty = ron::ser::PrettyConfig::new().new_line("\n").compact_arrays(true);
        let text = ron::ser::to_string_pretty(&ron, pretty).expect("plain numbers and strings are always written");
        files.push((TWIN_FILE.to_owned(), format!("{text}\n").into_bytes()));
        files
    }

    /// SHA-256 (hex) of a folder's `twin.ron`, which holds the binaries' hashes.
    pub fn hash_of(dir: &Path) -> Result<String, TwinError> {
        read_ron(dir).map(|text| sha256(text.as_bytes()))
    }

    /// Writes the folder `dir`, whole or not at all. An older twin there is replaced; anything else is left alone.
    pub fn write(&self, dir: &Path) -> Result<(), TwinError> {
        self.write_with(dir, &[])
    }

    /// As [`Self::write`], with further files in the folder: names and contents.
    pub fn write_with(&self, dir: &Path, further: &[(&str, &[u8])]) -> Result<(), TwinError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| TwinError::Io { doing, path, source }
        };
        if dir.exists() && !dir.join(TWIN_FILE).is_file() && fs::read_dir(dir).map_err(io("read", dir))?.next().is_some() {
            return Err(TwinError::Occupied(dir.to_owned()));
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(io("made", parent))?;
        let workshop = tempfile::Builder::new().prefix(".twin-").tempdir_in(parent).map_err(io("written to", parent))?;
        // inside the temporary folder, which is closed to others, one with the permissions that new folders have
        let fresh = workshop.path().join("new");
        fs::create_dir(&fresh).map_err(io("written", dir))?;
        let write = |name: &str, bytes: &[u8]| {
            let target = dir.join(name);
            let mut file = fs::File::create(fresh.join(name)).map_err(io("written", &target))?;
            file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("written", &target))
        };
        self.files().iter().try_for_each(|(name, bytes)| write(name, bytes))?;
        further.iter().try_for_each(|(name, bytes)| write(name, bytes))?;
        if dir.exists() {
            let old = workshop.path().join("old");
            fs::rename(dir, &old).map_err(io("replaced", dir))?;
            fs::rename(&fresh, dir).inspect_err(|_| drop(fs::rename(&old, dir))).map_err(io("written", dir))
        } else {
            fs::rename(&fresh, dir).map_err(io("written", dir))
        }
    }

    /// Reads a twin's folder and checks everything that can be wrong with it: format, lengths, hashes, geometry and mesh.
    pub fn read(dir: &Path) -> Result<Self, TwinError> {
        let text = read_ron(dir)?;
        let path = dir.join(TWIN_FILE);
        let syntax = |error: ron::error::SpannedError| TwinError::Syntax {
            path: path.clone(),
            line: error.span.start.line,
            column: error.span.start.col,
            message: error.code.to_string(),
        };
        let damaged = |what: &str| TwinError::Damaged { path: path.clone(), what: what.to_owned() };
        let version: VersionOnly = ron::from_str(&text).map_err(syntax)?;
        if !VERSIONS.contains(&version.version) {
            return Err(TwinError::Version { path, found: version.version });
        }
        let ron: TwinRon = ron::from_str(&text).map_err(syntax)?;
        let world_from_lps = affine(&ron.world_from_lps).ok_or_else(|| damaged("has a frame that is no transform"))?;
        let lps_from_voxel = affine(&ron.lps_from_voxel).ok_or_else(|| damaged("has a voxel frame that is no transform"))?;

        let (dims, voxels) = parse(dir, &ron.files.volume, binary::read_volume)?;
        let (label_dims, labels) = parse(dir, &ron.files.labels, binary::read_labels)?;
        if dims != label_dims {
            return Err(damaged("names a volume and labels of different sizes"));
        }
        if !labels.contains(&ron.organ.label) {
            return Err(damaged("names an organ that no voxel is labelled with"));
        }
        let tets = parse(dir, &ron.files.mesh, binary::read_mesh)?;
        tets.validate().map_err(|fault| TwinError::Mesh { path: dir.to_owned(), fault })?;
        let distance = parse(dir, &ron.files.distance, binary::read_distance)?;
        let tet_regions = match &ron.files.regions {
            Some(fact) => parse(dir, fact, binary::read_regions)?,
            None => Vec::new(),
        };
        let extras = ron.files.regions.is_some() || ron.files.vessels.is_some();
        if ron.version != VERSIONS[usize::from(extras)] {
            return Err(damaged("has a format version that does not go with what it holds"));
        }
        let expected = if ron.regions.is_empty() { 0 } else { tets.tets.len() };
        if tet_regions.len() != expected || tet_regions.iter().any(|&r| usize::from(r) >= ron.regions.len()) {
            return Err(damaged("does not give every tetrahedron one of its regions"));
        }
        let vessels = match &ron.files.vessels {
            Some(fact) => parse(dir, fact, read_vessels)?,
            None => Vec::new(),
        };
        Ok(Self {
            name: ron.name,
            organ: ron.organ,
            material: ron.material,
            record: ron.record,
            parameters: ron.parameters,
            source: ron.source,
            world_from_lps,
            quality: ron.quality,
            volume: Volume { dims, lps_from_voxel, voxels },
            labels: Volume { dims, lps_from_voxel, voxels: labels },
            tets,
            regions: ron.regions,
            tet_regions,
            distance,
            vessels,
        })
    }
}

fn read_vessels(bytes: &[u8]) -> Result<Vec<VesselTree>, String> {
    let trees: Vec<VesselTree> = ron::de::from_bytes(bytes).map_err(|why| why.to_string())?;
    if trees.iter().all(VesselTree::is_sound) { Ok(trees) } else { Err("a vessel's parent or numbers make no sense".into()) }
}

fn read_ron(dir: &Path) -> Result<String, TwinError> {
    let path = dir.join(TWIN_FILE);
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        fs::File::open(&path)?.take(MAX_RON).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => TwinError::NotATwin(dir.to_owned()),
        _ => TwinError::Io { doing: "read", path: path.clone(), source },
    })
}

/// Reads one binary after its length and hash have been checked.
fn parse<T>(dir: &Path, fact: &FileFact, read: impl Fn(&[u8]) -> Result<T, String>) -> Result<T, TwinError> {
    let path = dir.join(&fact.file);
    let damaged = |what: String| TwinError::Damaged { path: path.clone(), what };
    // a plain name: the folder's own files and no others
    if Path::new(&fact.file).file_name().is_none_or(|name| name != fact.file.as_str()) {
        return Err(damaged("is not a plain file name".into()));
    }
    let io = |source| TwinError::Io { doing: "read", path: path.clone(), source };
    let length = fs::metadata(&path).map_err(io)?.len();
    if length != fact.bytes {
        return Err(damaged(format!("is {length} bytes long; {TWIN_FILE} says {}", fact.bytes)));
    }
    let bytes = fs::read(&path).map_err(io)?;
    if sha256(&bytes) != fact.sha256 {
        return Err(damaged(format!("does not have the SHA-256 that {TWIN_FILE} says")));
    }
    read(&bytes).map_err(|why| damaged(format!("cannot be used: {why}")))
}
