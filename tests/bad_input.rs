//! What stands in a folder without being an image, files that claim more than they hold, and places where nothing can be written: each is
//! answered or refused by name, in bounded memory.

use std::{fs, path::Path};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::PixelFragmentSequence};
use dicom_object::{DefaultDicomObject, open_file};
use halsted::patient::{
    DeidentifyError, DeidentifyOptions, ImportOptions, SeriesError, TwinError, deidentify_file, import, patient_info, read_series,
};

use crate::patient::{asset, codes, series};

/// A slice of the corpus, changed in one way.
fn changed(source: &str, to: &Path, change: impl FnOnce(&mut DefaultDicomObject)) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/dicom").join(source);
    let mut object = open_file(source).expect("the corpus is DICOM");
    change(&mut object);
    object.write_to_file(to).expect("written");
}

fn faults_of(path: &Path) -> (Vec<&'static str>, bool) {
    let found = series(path).remove(0);
    (found.info.faults.iter().map(|fault| fault.code).collect(), found.makes_volume())
}

#[cfg(unix)]
#[test]
fn loops_of_links_dead_links_and_pipes_hold_nobody_up() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inner = folder.path().join("a/b");
    fs::create_dir_all(&inner).expect("made");
    symlink(folder.path(), inner.join("up")).expect("linked");
    symlink("self", folder.path().join("self")).expect("linked");
    symlink("nowhere", folder.path().join("dead")).expect("linked");
    fs::copy(asset("scans/ct-liver-contrast/0001.dcm"), inner.join("slice")).expect("copied");
    symlink(inner.join("slice"), folder.path().join("again")).expect("linked");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
    let found = series(folder.path());
    assert_eq!((found.len(), found[0].info.slices), (1, 2), "the slice, and the link to it");
    assert_eq!(codes(&found[0].info.faults), ["repeated_positions"]);
    for path in [folder.path().join("self"), pipe].iter().filter(|path| made || !path.ends_with("pipe")) {
        match read_series(path, &|_, _| ()) {
            Err(SeriesError::Unreadable { path: named, .. }) => assert_eq!(named, *path),
            other => panic!("{}: {:?}", path.display(), other.map(|found| found.len())),
        }
    }
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("slice.dcm");
    fs::copy(asset("scans/ct-liver-contrast/0001.dcm"), &path).expect("copied");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("changed");
    if fs::File::open(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    assert!(matches!(read_series(folder.path(), &|_, _| ()), Err(SeriesError::Unreadable { path: named, .. }) if named == path));
}

/// Every file that an import is told of may be a link that leads nowhere; each is named, before anything is written.
#[cfg(unix)]
#[test]
fn an_import_names_the_file_that_cannot_be_read() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let circle = folder.path().join("circle");
    symlink(&circle, &circle).expect("linked");
    let scan = folder.path().join("scan");
    fs::create_dir(&scan).expect("made");
    for n in 1..=3 {
        fs::copy(asset(&format!("scans/ct-liver-contrast/{n:04}.dcm")), scan.join(n.to_string())).expect("copied");
    }
    let sound = ImportOptions { hu_range: Some((0.0, 200.0)), ..ImportOptions::default() };
    let some = || Some(circle.clone());
    for (what, dir, options) in [
        ("the images", &circle, sound.clone()),
        ("labels", &scan, ImportOptions { labels: some(), ..sound.clone() }),
        ("seeds", &scan, ImportOptions { seeds: some(), ..sound.clone() }),
        ("the record", &scan, ImportOptions { record: some(), ..sound.clone() }),
        ("the model", &scan, ImportOptions { model: some(), ..sound.clone() }),
    ] {
        let error = import(dir, &options, &|_, _, _| ()).expect_err(what).to_string();
        assert!(error.contains("circle") && error.contains("cannot be read"), "{what}: {error}");
    }
}

/// A folder that a twin cannot go to is named, and what stands there stays as it was.
#[cfg(unix)]
#[test]
fn a_twin_that_cannot_be_written_leaves_nothing_behind() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let twin = crate::fuzz::small_twin(folder.path());
    let patients = folder.path().join("patients");
    fs::create_dir(&patients).expect("made");
    symlink("circle", patients.join("circle")).expect("linked");
    fs::write(patients.join("note.txt"), "precious").expect("written");
    let closed = patients.join("closed");
    fs::create_dir(&closed).expect("made");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).expect("changed");
    let may_write = fs::write(closed.join("probe"), "").is_ok();
    if may_write {
        eprintln!("not tried: this user may write everywhere");
        fs::remove_file(closed.join("probe")).expect("removed");
    }
    for out in ["circle", "circle/twin", "note.txt", "note.txt/twin", "closed/twin"] {
        if out == "closed/twin" && may_write {
            continue;
        }
        let error = twin.write(&patients.join(out)).expect_err(out);
        let TwinError::Io { path, .. } = &error else { panic!("{out}: {error}") };
        assert!(path.starts_with(&patients), "{out}: {error}");
    }
    let mut left: Vec<_> = fs::read_dir(&patients).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    left.sort();
    assert_eq!(left, ["circle", "closed", "note.txt"]);
    assert_eq!(fs::read_dir(&closed).expect("a folder").count(), 0);
    assert_eq!(fs::read(patients.join("note.txt")).expect("readable"), b"precious");
}

/// A geometry or a rescale that is no number never becomes a default in silence.
#[test]
fn numbers_that_are_none_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.dcm");
    for (tag, value, code) in [
        (Tag(0x0028, 0x0030), "NaN\\NaN", "missing_geometry"),
        (Tag(0x0028, 0x0030), "0\\0", "missing_geometry"),
        (Tag(0x0028, 0x0030), "1e300\\1e300", "missing_geometry"),
        (Tag(0x0020, 0x0032), "0\\0\\inf", "missing_geometry"),
        (Tag(0x0020, 0x0032), "0\\0\\1e12", "missing_geometry"),
        (Tag(0x0020, 0x0037), "1\\0\\0\\nan\\1\\0", "missing_geometry"),
        (Tag(0x0020, 0x0037), "1\\0\\0\\1\\0\\0", "missing_geometry"),
        (Tag(0x0028, 0x1053), "NaN", "bad_value"),
        (Tag(0x0028, 0x1053), "1e300", "bad_value"),
        (Tag(0x0028, 0x1052), "", "bad_value"),
        (Tag(0x0028, 0x0008), "99999999999999999999", "bad_value"),
        (Tag(0x0028, 0x0008), "4294967295", "too_large"),
    ] {
        changed("explicit.dcm", &path, |object| {
            object.put_str(tag, VR::DS, value);
        });
        let (codes, volume) = faults_of(&path);
        assert!(codes.contains(&code) && !volume, "{tag} = {value}: {codes:?}");
    }
}

/// Found by fuzzing (DICOM, case 597023): Columns of 18 bytes held the pixel spacing, too. The reader took the first of its nine numbers,
/// the de-identified copy left it out, and could not be read again. Of several numbers for the sign none was taken, and the values were
/// read as unsigned without a word.
#[test]
fn a_length_that_swallows_the_next_element_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.dcm");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/dicom");
    let mut bytes = fs::read(corpus.join("jpeg_lossless.dcm")).expect("readable");
    let columns = bytes.windows(8).position(|b| b == [0x28, 0, 0x11, 0, b'U', b'S', 2, 0]).expect("Columns");
    bytes[columns + 6] = 18;
    fs::write(&path, &bytes).expect("written");
    assert_eq!(faults_of(&path), (vec!["bad_value"], false));
    for (element, what) in [(0x0002, "samples"), (0x0010, "rows"), (0x0100, "allocated"), (0x0101, "stored"), (0x0103, "sign")] {
        changed("explicit.dcm", &path, |object| {
            let first = object.element(Tag(0x0028, element)).expect("present").to_int::<u16>().expect("a number");
            object.put(DataElement::new(Tag(0x0028, element), VR::US, PrimitiveValue::U16([first, 7].as_slice().into())));
        });
        assert_eq!(faults_of(&path), (vec!["bad_value"], false), "{what}");
        let copy = deidentify_file(&path, &folder.path().join("copy.dcm"), &DeidentifyOptions::default());
        assert!(matches!(copy, Err(DeidentifyError::Fault(fault)) if fault.code == "bad_value"), "{what}");
    }
}

/// What the copy has no place for must not turn an image without a measure into one with it, nor change its values.
#[test]
fn a_de_identified_copy_hides_no_fault_and_changes_no_value() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, copy) = (folder.path().join("x.dcm"), folder.path().join("copy.dcm"));
    let options = DeidentifyOptions::default();
    changed("explicit.dcm", &path, |object| {
        let table = dicom_core::value::DataSetSequence::from(vec![dicom_object::InMemDicomObject::new_empty()]);
        object.put(DataElement::new(Tag(0x0028, 0x3000), VR::SQ, table));
    });
    assert_eq!(faults_of(&path).0[0], "modality_lut");
    assert!(
        matches!(deidentify_file(&path, &copy, &options), Err(DeidentifyError::Fault(fault)) if fault.code == "modality_lut")
    );
    changed("explicit.dcm", &path, |object| {
        object.put_str(Tag(0x0028, 0x1053), VR::DS, "two");
    });
    assert!(matches!(deidentify_file(&path, &copy, &options), Err(DeidentifyError::Fault(fault)) if fault.code == "bad_value"));
    // decimals that were written in binary
    changed("explicit.dcm", &path, |object| {
        object.put(DataElement::new(Tag(0x0028, 0x1053), VR::FD, PrimitiveValue::from(0.1f64)));
    });
    deidentify_file(&path, &copy, &options).expect("sound");
    let values = |path: &Path| crate::patient::volume(&series(path)[0]).voxels.clone();
    assert!(!values(&path).is_empty());
    assert_eq!(values(&copy), values(&path));
}

/// A frame of 8000 × 4000 black pixels packs to some 20 kB in the better formats; a hundred of them are 13 GB of values in a file of 2 MB.
#[test]
fn a_bomb_of_fragments_is_refused_before_it_goes_off() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.dcm");
    changed("rle.dcm", &path, |object| {
        for (element, value) in [(0x0010, 4000u16), (0x0011, 8000)] {
            object.put(DataElement::new(Tag(0x0028, element), VR::US, PrimitiveValue::from(value)));
        }
        object.put_str(Tag(0x0028, 0x0008), VR::IS, "16");
        let fragments = vec![vec![0u8; 20_000]; 16];
        object.put(DataElement::new(Tag(0x7FE0, 0x0010), VR::OB, PixelFragmentSequence::new_fragments(fragments)));
    });
    assert_eq!(faults_of(&path).0[0], "bad_pixel_data");
    // five million empty fragments, 40 MB of nothing
    let mut bytes = fs::read(&path).expect("readable");
    let at = bytes.windows(4).rposition(|b| b == [0xFE, 0xFF, 0xDD, 0xE0]).expect("the end of the fragments");
    bytes.truncate(at);
    for _ in 0..5_000_000 {
        bytes.extend([0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0]);
    }
    fs::write(&path, &bytes).expect("written");
    assert_eq!(faults_of(&path).0, ["too_large"]);
}

/// A deflated data set that unfolds without end is cut where no image is that large.
#[test]
fn a_deflated_bomb_ends_where_images_do() {
    use std::io::Write;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.dcm");
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/fuzz/dicom/deflated.dcm")).expect("readable");
    // the meta information ends where the length in its first element says (PS3.10 §7.1)
    let meta = 144 + u32::from_le_bytes(whole[140..144].try_into().expect("four")) as usize;
    let mut packer = flate2::write::DeflateEncoder::new(whole[..meta].to_vec(), flate2::Compression::fast());
    // one private element of 1.9 GiB
    packer.write_all(&[0x09, 0x00, 0x01, 0x10, b'O', b'B', 0, 0, 0, 0, 0, 0x78]).expect("memory");
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..64 {
        packer.write_all(&zeros).expect("memory");
    }
    fs::write(&path, packer.finish().expect("memory")).expect("written");
    assert!(fs::metadata(&path).expect("there").len() < 1 << 20, "packed");
    let info = patient_info(&path, None, &|_, _| ()).expect("it is DICOM");
    assert_eq!(codes(&info.series[0].faults), ["no_pixel_data"]);
}
