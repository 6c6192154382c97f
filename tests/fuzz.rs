//! Damaged files: whatever bytes come, a reader answers or refuses, and what it answers is whole.
//!
//! Every case is made from its number alone: a file of the corpus (`tests/data/fuzz`) with a few random changes, so that a failure is
//! repeated by `HALSTED_FUZZ_SEED=N`. A plain run tries some cases of each kind. With `HALSTED_FUZZ_SECS` set each test goes on with ever
//! more cases for so many seconds, with a line for each thousand on standard error. What was found and mended is in the corpus.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use glam::{DAffine3, DMat3, DVec3};
use halsted::{
    geom::Volume,
    patient::{
        DeidentifyOptions, ImportOptions, Smoothing, TWIN_FILE, Twin, deidentify_file, import, labels, patient_info, read_series,
    },
};
use sha2::{Digest, Sha256};

/// Cases of each kind in a plain run.
const CASES: u64 = 200;

/// Xorshift (Marsaglia 2003) over a mixed seed.
struct Random(u64);

impl Random {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % count.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Changes `bytes` in up to four places; `others` are files of the same kind to take pieces from.
fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        // headers come first, and are what readers stumble over
        let reach = if random.below(2) == 0 { bytes.len().min(1024) } else { bytes.len() };
        let at = random.below(reach);
        let length = random.below(64).min(bytes.len() - at.min(bytes.len()));
        match random.below(9) {
            _ if bytes.is_empty() => return,
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 | 3 => {
                let number = [
                    0u32,
                    1,
                    0x7F,
                    0x80,
                    0xFF,
                    0x7FFF,
                    0x8000,
                    0xFFFF,
                    0x1_0000,
                    0x7FFF_FFFF,
                    0x8000_0000,
                    u32::MAX,
                    0xFFFF_FFF0,
                ];
                let number = number[random.below(number.len())];
                let wide = [number.to_le_bytes(), number.to_be_bytes()][random.below(2)];
                let half = [(number as u16).to_le_bytes(), (number as u16).to_be_bytes()][random.below(2)];
                let value: &[u8] = if random.below(2) == 0 { &wide } else { &half };
                let end = bytes.len().min(at + value.len());
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..at + length)),
            6 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece);
            }
            7 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                let piece = other[from..other.len().min(from + random.below(256))].to_vec();
                let end = bytes.len().min(at + if random.below(2) == 0 { piece.len() } else { 0 });
                bytes.splice(at..end, piece);
            }
            // a number that is written as text
            _ => {
                let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|n| at + n) else { continue };
                let number = |byte: &u8| byte.is_ascii_digit() || b".-+eE".contains(byte);
                let length = bytes[start..].iter().position(|byte| !number(byte)).unwrap_or(bytes.len() - start);
                let words =
                    ["nan", "inf", "1e308", "-1", "0", "1e-320", "99999999999999999999", "", "4294967295", "65535", "1e5"];
                let mut word = random.pick(&words).as_bytes().to_vec();
                // mostly in its place, so that lengths stay true
                if random.below(4) > 0 {
                    word.resize(length, b' ');
                }
                bytes.splice(start..start + length, word);
            }
        }
    }
}

/// Runs the cases of one kind: `try_case` gets the path of a changed file and its random numbers.
fn run(kind: &str, mut try_case: impl FnMut(&Path, &mut Random)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz").join(kind);
    let mut names: Vec<PathBuf> =
        fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    let corpus: Vec<Vec<u8>> = names.iter().map(|path| fs::read(path).expect("readable")).collect();
    let temporary = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in names.iter().zip(&corpus) {
        let path = temporary.path().join(name.file_name().expect("a name"));
        fs::write(&path, bytes).expect("written");
        try_case(&path, &mut Random::of(0));
        fs::remove_file(&path).expect("removed");
    }
    each_case(kind, |seed, random| {
        let which = random.below(corpus.len());
        let mut bytes = corpus[which].clone();
        change(&mut bytes, &corpus, random);
        // a name of its own for each kind of file: some readers look at it
        let path = temporary.path().join(names[which].file_name().expect("a name"));
        fs::write(&path, &bytes).unwrap_or_else(|why| panic!("case {seed}: {why}"));
        try_case(&path, random);
    });
}

/// The cases asked for, one after the other; a failing one is named.
fn each_case(kind: &str, mut case: impl FnMut(u64, &mut Random)) {
    struct Named<'a>(&'a str, u64);
    impl Drop for Named<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("{} failed on case {}: HALSTED_FUZZ_SEED={} starts with it", self.0, self.1, self.1);
            }
        }
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = number("HALSTED_FUZZ_SEED").unwrap_or(1);
    let wanted = number("HALSTED_FUZZ_SECS").map(Duration::from_secs);
    let start = Instant::now();
    let (mut seed, mut slowest) = (first, (Duration::ZERO, first));
    while wanted.map_or(seed < first + CASES, |wanted| start.elapsed() < wanted) {
        let named = Named(kind, seed);
        let begun = Instant::now();
        case(seed, &mut Random::of(seed));
        slowest = slowest.max((begun.elapsed(), seed));
        drop(named);
        seed += 1;
        if wanted.is_some() && seed.is_multiple_of(1000) {
            eprintln!(
                "{kind}: {} cases in {:.0?}, the slowest, {}, in {:.1?}",
                seed - first,
                start.elapsed(),
                slowest.1,
                slowest.0
            );
        }
    }
}

/// A volume that is what its numbers say.
fn assert_whole(volume: &Volume<f32>) {
    assert_eq!(volume.voxels.len(), volume.dims.iter().product::<usize>());
    assert!(
        volume.lps_from_voxel.is_finite() && volume.lps_from_voxel.matrix3.determinant() != 0.0,
        "{:?}",
        volume.lps_from_voxel
    );
    assert!(volume.voxels.iter().all(|v| v.is_finite()));
}

/// Where labels are drawn: 32 × 32 × 4 voxels over the corpus' images.
fn grid() -> Volume<u8> {
    let matrix3 = DMat3::from_diagonal(DVec3::new(0.9, 0.8, 2.0));
    Volume {
        dims: [32, 32, 4],
        lps_from_voxel: DAffine3 { matrix3, translation: DVec3::new(-5.0, -6.0, 9.0) },
        voxels: vec![0; 4096],
    }
}

/// Reads a file in every way that there is.
fn read_all(path: &Path) {
    let quiet = &|_: usize, _: usize| ();
    if let Ok(found) = read_series(path, quiet) {
        let info = patient_info(path, None, quiet).expect("what is read can be described");
        for (series, info) in found.into_iter().zip(info.series) {
            assert_eq!(series.info, info);
            series.volume.iter().for_each(assert_whole);
            let sound = series.makes_volume();
            match series.straight_volume() {
                Ok(volume) => assert_whole(&volume),
                Err(faults) => assert!(!faults.is_empty() || !sound, "refused without a reason"),
            }
        }
    }
    if let Ok(found) = labels::onto(path, &[1], &grid()) {
        assert_eq!(found.voxels.len(), 4096);
    }
}

#[test]
fn no_bytes_bring_the_dicom_reader_down() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let to = out.path().join("out.dcm");
    let options = DeidentifyOptions { pixels_checked: true, ..DeidentifyOptions::default() };
    run("dicom", |path, _| {
        read_all(path);
        if deidentify_file(path, &to, &options).is_ok() {
            let values = |path: &Path| {
                let found = read_series(path, &|_, _| ()).expect("an image").remove(0).info;
                (found.value_min, found.value_max, found.value_mean, found.slices)
            };
            assert_eq!(values(&to), values(path), "de-identified files keep their values");
        }
    });
}

#[test]
fn no_bytes_bring_the_nifti_reader_down() {
    run("nifti", |path, _| read_all(path));
}

#[test]
fn no_bytes_bring_the_nrrd_reader_down() {
    run("nrrd", |path, _| read_all(path));
}

/// A twin of a ball of 12 mm, made anew, so that its files are what this version writes.
pub(crate) fn small_twin(folder: &Path) -> Twin {
    let mut voxels = Vec::new();
    for n in 0..24 * 24 * 24 {
        let at = DVec3::new((n % 24) as f64, (n / 24 % 24) as f64, (n / 576) as f64);
        voxels.push(if at.distance(DVec3::splat(11.5)) < 8.0 { 60i16 } else { -1000 });
    }
    let header = "NRRD0005\ntype: short\ndimension: 3\nsizes: 24 24 24\nspace: lps\nspace directions: (1.5,0,0) (0,1.5,0) (0,0,1.5)\n\
                  space origin: (0,0,0)\nencoding: raw\nendian: little\n\n";
    let path = folder.join("ball.nrrd");
    fs::write(&path, [header.as_bytes(), &voxels.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()].concat())
        .expect("written");
    let smoothing = Smoothing { spacing_mm: 4.0, margin_mm: 8.0, ..Smoothing::default() };
    let options = ImportOptions { hu_range: Some((0.0, 100.0)), feature_mm: 8.0, smoothing, ..ImportOptions::default() };
    import(&path, &options, &|_, _, _| ()).expect("a ball imports").0
}

/// Changed binaries get the hash and length that `twin.ron` should name, so that the formats' own checks are tried, too.
#[test]
fn no_bytes_bring_the_reader_of_twins_down() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let files = small_twin(temporary.path()).files();
    let contents: Vec<Vec<u8>> = files.iter().map(|(_, bytes)| bytes.clone()).collect();
    let folder = temporary.path().join("twin");
    fs::create_dir(&folder).expect("made");
    for (name, bytes) in &files {
        fs::write(folder.join(name), bytes).expect("written");
    }
    assert!(Twin::read(&folder).is_ok());
    let ron = String::from_utf8(contents[files.len() - 1].clone()).expect("text");
    each_case("twin", |_, random| {
        let which = random.below(files.len());
        let (name, bytes) = &files[which];
        let mut changed = bytes.clone();
        change(&mut changed, &contents, random);
        fs::write(folder.join(name), &changed).expect("written");
        if name != TWIN_FILE {
            let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
            let fact = |bytes: &[u8]| format!("bytes: {},", bytes.len());
            let at = ron.find(&format!("file: \"{name}\"")).expect("named");
            let rest = ron[at..].replacen(&fact(bytes), &fact(&changed), 1).replace(&hash(bytes), &hash(&changed));
            fs::write(folder.join(TWIN_FILE), format!("{}{rest}", &ron[..at])).expect("written");
        }
        if let Ok(twin) = Twin::read(&folder) {
            assert_eq!(twin.volume.voxels.len(), twin.volume.dims.iter().product::<usize>());
            assert_eq!(twin.tets.validate(), Ok(()));
            drop(twin.files());
        }
        fs::write(folder.join(name), bytes).expect("written");
        fs::write(folder.join(TWIN_FILE), &ron).expect("written");
    });
}
