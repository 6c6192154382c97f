//! Series as they come: what is odd about them is said, and an import takes each or refuses it by name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dicom_core::{Tag, VR};
use halsted::{
    geom::Volume,
    patient::{
        ImportError, ImportOptions, ImportReport, Smoothing, Twin, import, read_scan, report_html, segment::write_label_map,
    },
};

use crate::patient::{codes, data, series, spoilt};

#[test]
fn series_that_are_odd_and_sound_are_described_with_what_is_odd() {
    for (name, size, faults) in [
        ("dicom-odd/mr-two-slices", [256, 256, 2], &[][..]),
        ("dicom-odd/single/CT_small.dcm", [128, 128, 1], &[]),
        ("ct-3slice-dicom-seg/image", [512, 512, 3], &["thickness_is_not_step", "padding"]),
        ("dicom-odd/single/rtdose.dcm", [10, 10, 15], &["missing_geometry"]),
        ("dicom-odd/single/rtstruct.dcm", [0, 0, 0], &["structure_set"]),
    ] {
        let Some(path) = data(name) else { continue };
        let info = series(&path).remove(0).info;
        assert_eq!(([info.columns, info.rows, info.slices], codes(&info.faults)), (size, faults.to_vec()), "{name}");
    }
    let rescaled = spoilt(&[1, 2, 3], |at, object| {
        object.put_str(Tag(0x0028, 0x1053), VR::DS, if at == 1 { "0.5" } else { "1" });
        object.put_str(Tag(0x0028, 0x0030), VR::DS, "0.9\\0.8");
    });
    assert!(rescaled[0].volume.is_some());
    assert_eq!(codes(&rescaled[0].info.faults), ["rescale_per_slice", "non_square_pixels", "thickness_is_not_step"]);
    let twice = spoilt(&[1, 2, 3, 1, 2, 3], |_, _| ());
    assert!(!twice[0].makes_volume() && !twice[0].info.uniform);
    assert_eq!((codes(&twice[0].info.faults), twice[0].info.spacing_mm[2]), (vec!["several_time_points"], Some(2.0)));
}

/// The bundled slices are 3 mm thick and 2 mm apart.
#[test]
fn a_thickness_that_is_not_the_step_is_named_and_never_taken_for_it() {
    for (thickness, faults, words) in [
        ("2", &[][..], ""),
        ("3", &["thickness_is_not_step"], "they overlap"),
        ("1.5", &["thickness_is_not_step"], "there are gaps"),
    ] {
        let found = spoilt(&[1, 2, 3], |_, object| {
            object.put_str(Tag(0x0018, 0x0050), VR::DS, thickness);
        });
        let info = &found[0].info;
        assert_eq!((codes(&info.faults), info.spacing_mm[2]), (faults.to_vec(), Some(2.0)), "{thickness}");
        assert!(info.faults.iter().all(|fault| fault.message.contains(words)), "{thickness}: {:?}", info.faults);
        assert!(found[0].volume.is_some(), "{thickness}: a note, no fault");
    }
}

/// Every folder under `root` that holds files alone, and those files by themselves where they are no one series.
fn places(root: &Path) -> Vec<PathBuf> {
    let (mut open, mut out) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        let all = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let (folders, files): (Vec<_>, Vec<_>) = all.partition(|path| path.is_dir());
        if folders.is_empty() {
            let is_one_series = read_scan(&folder, None, &|_, _, _| ()).is_ok();
            out.extend(files.into_iter().filter(|_| !is_one_series));
            out.push(folder);
        }
        open.extend(folders);
    }
    out.sort();
    out
}

/// Imports what lies at a place, with an ellipsoid in the middle of the image for its organ.
fn imported(place: &Path, work: &Path) -> Result<(Twin, ImportReport), ImportError> {
    let quiet = &|_: &str, _: usize, _: usize| ();
    let (_, image, _) = read_scan(place, None, quiet)?;
    let half: [f64; 3] = std::array::from_fn(|axis| 0.45 * image.spacing_mm()[axis] * image.dims[axis] as f64);
    let least = half.into_iter().fold(30.0, f64::min);
    let inside = |at: usize| {
        let ijk = [at % image.dims[0], at / image.dims[0] % image.dims[1], at / (image.dims[0] * image.dims[1])];
        let part = |axis: usize| {
            let mm = (ijk[axis] as f64 - 0.5 * (image.dims[axis] - 1) as f64) * image.spacing_mm()[axis];
            mm / half[axis].min(6.0 * least).min(30.0)
        };
        (0..3).map(part).map(|part| part * part).sum::<f64>() <= 1.0
    };
    let voxels = (0..image.voxels.len()).map(|at| u8::from(inside(at))).collect();
    let map = Volume { dims: image.dims, lps_from_voxel: image.lps_from_voxel, voxels };
    let labels = work.join("labels.nii.gz");
    write_label_map(&map, &[], &labels).expect("written");
    let feature_mm = (0.5 * least).clamp(1.0, 8.0);
    let smoothing = Smoothing { spacing_mm: 0.5 * feature_mm, sigma_mm: (0.2 * feature_mm).max(0.3), margin_mm: 8.0 };
    import(place, &ImportOptions { labels: Some(labels), feature_mm, smoothing, ..ImportOptions::default() }, quiet)
}

/// Every folder of the data, whatever lies there: a sound twin with its page, or one error that says why not; and what the known ones give.
#[test]
fn every_series_at_hand_is_imported_or_refused_by_name() {
    let Some(root) = data("") else { return };
    let work = tempfile::tempdir().expect("a temporary folder");
    let mut answers: BTreeMap<String, String> = BTreeMap::new();
    for place in places(&root) {
        let name = place.strip_prefix(&root).expect("under it").display().to_string();
        let answer = match imported(&place, work.path()) {
            Ok((twin, report)) => {
                assert_eq!(twin.tets.validate(), Ok(()), "{name}");
                assert!(report_html(&twin, &report).is_ok_and(|page| page.contains("What is uncertain")), "{name}");
                "a twin".to_owned()
            }
            Err(ImportError::NoVolume { faults, .. }) => {
                assert!(!faults.is_empty(), "{name}");
                codes(&faults).join(", ")
            }
            Err(ImportError::Series(error)) => error.to_string(),
            Err(ImportError::SeveralSeries { .. }) => "several series".to_owned(),
            Err(error) => panic!("{name}: {error}"),
        };
        println!("{name}: {answer}");
        answers.insert(name, answer);
    }
    for (name, answer) in [
        ("ct-3slice-dicom-seg/image", "a twin"),
        ("ct-3slice-dicom-seg/seg", "segmentation_object, segmentation_object"),
        ("ct-abdomen-contrast-labelled/dicom", "a twin"),
        ("ct-abdomen-lidc-0314/dicom", "a twin"),
        ("ct-abdomen-nifti-labelled", "several series"),
        ("ct-abdomen-nifti-labelled/ct.nii.gz", "a twin"),
        ("dicom-odd/ct-gantry-tilt-14deg", "a twin"),
        ("dicom-odd/enhanced-multiframe", "a twin"),
        ("dicom-odd/malformed/MR_truncated.dcm", "truncated_pixel_data"),
        ("dicom-odd/malformed/badVR.dcm", "bad_value"),
        ("dicom-odd/malformed/meta_missing_tsyntax.dcm", "no_transfer_syntax"),
        ("dicom-odd/malformed/rtplan_truncated.dcm", "no_pixel_data"),
        ("dicom-odd/mr-mixed-orientations", "mixed_spacings, mixed_orientations"),
        ("dicom-odd/mr-sagittal-jpeg-lossless", "a twin"),
        ("dicom-odd/mr-sagittal-rle", "a twin"),
        ("dicom-odd/mr-two-slices", "a twin"),
        ("dicom-odd/single/CT_small.dcm", "too_few_slices"),
        ("dicom-odd/single/rtstruct.dcm", "structure_set"),
        ("dicom-odd/transfer-syntaxes-mr-small", "repeated_positions"),
        ("mr-abdomen-seg3d/dicom", "a twin"),
    ] {
        if root.join(name).exists() {
            assert_eq!(answers.get(name).map(String::as_str), Some(answer), "{name}");
        }
    }
}
