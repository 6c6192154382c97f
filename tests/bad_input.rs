//! What stands in a folder without being an image, files that claim more than they hold, and places where nothing can be written: each is
//! answered or refused by name, in bounded memory.

use std::{fs, path::Path};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::PixelFragmentSequence};
use dicom_object::{DefaultDicomObject, open_file};
use halsted::patient::{SeriesError, patient_info, read_series};

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
