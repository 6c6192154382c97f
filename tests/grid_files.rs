//! Images and label maps in NIfTI and NRRD files: where they lie and what they hold, as other programs find it, and damaged ones refused.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use glam::{DAffine3, DMat3, DVec3};
use halsted::patient::{LabelError, SeriesError, labels, patient_info, read_series};
use serde_json::Value;

use crate::patient::{asset, codes, data, numbers, series, volume};

/// Reference figures from SimpleITK and `labels.csv`.
#[test]
fn a_nifti_image_is_a_volume_with_the_place_and_values_that_other_readers_find() {
    let Some(folder) = data("ct-abdomen-nifti-labelled") else { return };
    let facts: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("facts.json")).expect("facts are there")).expect("JSON");
    let found = series(&folder.join("ct.nii.gz"));
    let (info, image) = (&found[0].info, volume(&found[0]));
    let near = |found: f64, expected: f64| assert!((found - expected).abs() <= 1e-3, "{found} is not {expected}");
    assert_eq!(image.dims.map(|n| n as f64).to_vec(), numbers(&facts["size_ijk"]));
    info.spacing_mm.iter().zip(numbers(&facts["spacing"])).for_each(|(found, expected)| near(found.expect("known"), expected));
    info.origin_lps_mm.expect("known").iter().zip(numbers(&facts["origin_lps"])).for_each(|(f, e)| near(*f, e));
    info.direction.expect("known").iter().zip(numbers(&facts["direction_lps"])).for_each(|(f, e)| near(*f, e));
    assert_eq!([info.value_min, info.value_max].map(Option::unwrap_or_default).to_vec(), numbers(&facts["min_max"]));
    near(info.value_mean.expect("known"), numbers(&facts["mean_std"])[0]);
    assert!(info.uniform && info.gantry_tilt_deg < 1e-6 && info.modality == "CT");
    assert_eq!(codes(&info.faults), ["modality_assumed"]);
    for voxel in facts["voxels"].as_array().expect("an array") {
        let ijk = numbers(&voxel["ijk"]);
        assert_eq!(image.get([ijk[0] as usize, ijk[1] as usize, ijk[2] as usize]).map(f64::from), voxel["value"].as_f64());
        let place = image.lps_from_voxel.transform_point3(DVec3::from_slice(&ijk));
        place.to_array().iter().zip(numbers(&voxel["lps"])).for_each(|(f, e)| near(*f, e));
    }
    let map = labels::resample(&labels::read(&folder.join("labels.nii.gz"), 1).expect("sound"), image).expect("they overlap");
    for (label, voxels, mean) in [(5, 38_634, 45.29), (4, 1333, 1.52), (2, 3947, 10.91)] {
        let inside: Vec<f64> =
            (0..map.voxels.len()).filter(|&v| map.voxels[v] == label).map(|v| image.voxels[v].into()).collect();
        assert_eq!(inside.len(), voxels, "label {label}");
        assert!((inside.iter().sum::<f64>() / voxels as f64 - mean).abs() < 0.01, "label {label}");
    }
    assert_eq!(series(&folder).len(), 2, "a folder without DICOM: the image and the map");
}

/// The label volumes of the atlas, from the README beside it, and its place as its header gives it.
#[test]
fn an_nrrd_label_map_has_the_volumes_that_other_readers_find() {
    let Some(file) = data("meshes/spl-abdominal-atlas/seg.nrrd") else { return };
    let info = &series(&file)[0].info;
    assert_eq!([info.columns, info.rows, info.slices], [256, 256, 113]);
    assert_eq!(info.spacing_mm.map(|s| (s.expect("known") * 1e4).round() / 1e4), [0.9375, 0.9375, 1.5]);
    assert_eq!(info.origin_lps_mm, Some([-119.53000000000002, 119.53000000000007, 84.000_000_000_000_03]));
    let direction = info.direction.expect("known");
    let expected = [1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0];
    assert!(
        direction.iter().zip(expected).all(|(found, expected): (&f64, f64)| (found - expected).abs() < 1e-9),
        "{direction:?}"
    );
    let map = labels::read(&file, 3).expect("95 labels, up to 699");
    for (label, ml) in [(3, 239.3), (10, 7.8), (7, 22.1), (51, 47.3)] {
        let found = map.voxels.iter().filter(|v| **v == label).count() as f64 * map.voxel_mm3() * 1e-3;
        assert!((found - ml).abs() < 0.05, "label {label}: {found} ml");
    }
}

fn affine() -> DAffine3 {
    let matrix3 = DMat3::from_cols(DVec3::new(-2.0, 0.0, 0.0), DVec3::new(0.0, -3.0, 0.0), DVec3::new(0.0, 0.0, 4.0));
    DAffine3 { matrix3, translation: DVec3::new(10.0, 20.0, 30.0) }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).expect("memory");
    out.finish().expect("memory")
}

/// One small image, written in every way that is read, is the same image.
#[test]
fn nrrd_files_in_every_space_encoding_and_byte_order_hold_the_same_image() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let values: Vec<i16> = (0..24).map(|v| v * 100 - 1000).collect();
    let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    let lps = "space: left-posterior-superior\nspace directions: (-2,0,0) (0,-3,0) (0,0,4)\nspace origin: (10,20,30)\n";
    let ras = "space: RAS\nspace directions: (2,0,0) (0, 3, 0) (0,0,4)\nspace origin: (-10,-20,30)\n";
    let metres = "space: LPS\nspace units: \"m\" \"m\" \"m\"\nspace directions: (-2e-3,0,0) (0,-3e-3,0) (0,0,4e-3)\nspace origin: (.01,.02,.03)\n";
    let head =
        |space: &str, rest: &str| format!("NRRD0005\n# c\ntype: short\ndimension: 3\nsizes: 2 3 4\n{space}{rest}key:=value\n\n");
    let mut files = vec![
        ("a.nrrd", [head(lps, "encoding: raw\nendian: little\n").into_bytes(), little.clone()].concat()),
        ("b.nrrd", [head(ras, "encoding: gzip\nendian: big\n").into_bytes(), packed(&big)].concat()),
        ("c.nrrd", [head(metres, "encoding: raw\nendian: little\nbyte skip: -1\n").into_bytes(), vec![7; 5], little.clone()].concat()),
        ("d.nhdr", head(lps, "encoding: gz\nendian: little\ndata file: d.raw.gz\n").into_bytes()),
        (
            "e.nrrd",
            [
                "NRRD0004\ntype: short\ndimension: 4\nsizes: 1 2 3 4\nspace: lps\nspace directions: none (-2,0,0) (0,-3,0) (0,0,4)\n\
                     space origin: (10,20,30)\nencoding: raw\nendian: little\n\n"
                .as_bytes()
                .to_vec(),
                little.clone(),
            ]
            .concat(),
        ),
    ];
    files.push(("d.raw.gz", packed(&little)));
    files.iter().for_each(|(name, bytes)| fs::write(folder.path().join(name), bytes).expect("written"));
    for (name, _) in files.iter().filter(|(name, _)| *name != "d.raw.gz") {
        let found = series(&folder.path().join(name));
        let image = volume(&found[0]);
        assert_eq!(image.voxels, values.iter().map(|&v| f32::from(v)).collect::<Vec<_>>(), "{name}");
        assert!(image.lps_from_voxel.abs_diff_eq(affine(), 1e-9), "{name}: {:?}", image.lps_from_voxel);
    }
}

/// A NIfTI-1 file of 2 × 3 × 4 voxels with [`affine`] as its sform.
fn nifti(number: i16, bits: i16, voxels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    for (n, dim) in [3u16, 2, 3, 4, 1, 1, 1, 1].iter().enumerate() {
        put(40 + 2 * n, &dim.to_le_bytes());
        put(76 + 4 * n, &1f32.to_le_bytes());
    }
    put(70, &number.to_le_bytes());
    put(72, &bits.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(254, &1i16.to_le_bytes());
    let rows = [[2f32, 0.0, 0.0, -10.0], [0.0, 3.0, 0.0, -20.0], [0.0, 0.0, 4.0, 30.0]];
    rows.iter().flatten().enumerate().for_each(|(n, v)| put(280 + 4 * n, &v.to_le_bytes()));
    put(344, b"n+1\0");
    [bytes, voxels.to_vec()].concat()
}

#[test]
fn nifti_rescale_units_quaternion_and_background_without_number_are_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("image.nii");
    let voxels: Vec<u8> = (0..24).collect();
    let mut bytes = nifti(2, 8, &voxels);
    bytes[112..116].copy_from_slice(&2.5f32.to_le_bytes());
    bytes[116..120].copy_from_slice(&(-10f32).to_le_bytes());
    fs::write(&path, &bytes).expect("written");
    let found = series(&path);
    let image = volume(&found[0]);
    assert_eq!((image.get([1, 2, 3]), found[0].info.modality.as_str()), (Some(23.0 * 2.5 - 10.0), "OT"));
    assert!(image.lps_from_voxel.abs_diff_eq(affine(), 1e-6));
    // the same place by qform (no rotation), in metres
    bytes[252..254].copy_from_slice(&1i16.to_le_bytes());
    bytes[254..256].copy_from_slice(&0i16.to_le_bytes());
    bytes[123] = 1;
    for (at, value) in [(80, 2e-3f32), (84, 3e-3), (88, 4e-3), (268, -0.01), (272, -0.02), (276, 0.03)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    fs::write(&path, &bytes).expect("written");
    assert!(volume(&series(&path)[0]).lps_from_voxel.abs_diff_eq(affine(), 1e-4));
    // neither: which side is left would be a guess
    bytes[252] = 0;
    fs::write(&path, &bytes).expect("written");
    let placeless = series(&path);
    assert!(placeless[0].volume.is_none() && codes(&placeless[0].info.faults) == ["missing_geometry"]);
    assert!(matches!(labels::read(&path, 1), Err(LabelError::NoPlace(_))));
    let mut reals: Vec<u8> = (0..24u8).flat_map(|v| f32::from(v).to_le_bytes()).collect();
    reals[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, nifti(16, 32, &reals)).expect("written");
    let found = series(&path);
    assert_eq!((volume(&found[0]).voxels[0], codes(&found[0].info.faults)), (1.0, vec!["not_finite"]));
}

/// Every header byte in turn set to three values, and the file cut at every length of a prefix: an answer or a fault, never a panic, and
/// never more voxels than the file can hold.
#[test]
fn damaged_nifti_and_nrrd_files_are_refused_and_never_panic() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let voxels: Vec<u8> = (0..24).collect();
    let nrrd = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 3 4\nspace: lps\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n\
        space origin: (0,0,0)\nencoding: raw\n\n";
    for (name, whole, header) in [("a.nii", nifti(2, 8, &voxels), 352), ("a.nrrd", [&nrrd[..], &voxels].concat(), nrrd.len())] {
        let path = folder.path().join(name);
        let look = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            match read_series(&path, &|_, _| ()) {
                Ok(found) => found.iter().all(|s| s.volume.as_ref().is_none_or(|v| v.voxels.len() <= bytes.len())),
                Err(SeriesError::NoImages { .. }) => true,
                Err(_) => false,
            }
        };
        for at in 0..header {
            for value in [0, 0x7F, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                assert!(look(&bytes), "{name}: byte {at} is {value}");
            }
        }
        for length in 0..whole.len() {
            assert!(look(&whole[..length]), "{name} cut to {length}");
            assert!(labels::read(&path, 1).is_err(), "{name} cut to {length} is no label map");
        }
    }
    let path = folder.path().join("claim.nrrd");
    for (what, header) in [
        ("4 GB in a few bytes", "type: uchar\ndimension: 3\nsizes: 2048 2048 1024\nencoding: raw\n"),
        ("more than a number holds", "type: uchar\ndimension: 3\nsizes: 9999999999 9999999999 9999999999\nencoding: gzip\n"),
        ("another folder", "type: uchar\ndimension: 3\nsizes: 2 3 4\nencoding: raw\ndata file: ../../etc/passwd\n"),
        ("itself", "type: uchar\ndimension: 3\nsizes: 99 99 99\nencoding: raw\ndata file: claim.nrrd\n"),
    ] {
        fs::write(&path, format!("NRRD0004\n{header}\n")).expect("written");
        let found = patient_info(&path, None, &|_, _| ()).expect("it is NRRD");
        assert!(found.series[0].faults.len() == 1 && found.series[0].slices == 0, "{what}: {:?}", found.series[0]);
    }
}

/// Finite directions whose length is none passed, and `patient info` answered with an infinite spacing.
#[test]
fn a_place_that_no_scan_has_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let voxels: Vec<u8> = (0..24).collect();
    for (directions, origin) in [
        ("(1e308,1e308,0) (0,1,0) (0,0,1)", "(0,0,0)"),
        ("(1,0,0) (0,5000,0) (0,0,1)", "(0,0,0)"),
        ("(1,0,0) (0,1,0) (0,0,1e-9)", "(0,0,0)"),
        ("(1,0,0) (1,1e-7,0) (0,0,1)", "(0,0,0)"),
        ("(1,0,0) (0,1,0) (0,0,1)", "(0,1e200,0)"),
    ] {
        let path = folder.path().join("x.nrrd");
        let head = format!(
            "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 3 4\nspace: lps\nspace directions: {directions}\nspace origin: {origin}\nencoding: raw\n\n"
        );
        fs::write(&path, [head.as_bytes(), &voxels].concat()).expect("written");
        let info = patient_info(&path, None, &|_, _| ()).expect("it is NRRD").series.remove(0);
        assert_eq!(codes(&info.faults), ["bad_value"], "{directions} {origin}: {info:?}");
    }
    let mut placed = nifti(2, 8, &voxels);
    let sound = folder.path().join("x.nii");
    for (column, value) in [(0, 1e30f32), (3, 1e9)] {
        placed[280 + 4 * column..284 + 4 * column].copy_from_slice(&value.to_le_bytes());
        fs::write(&sound, &placed).expect("written");
        let info = patient_info(&sound, None, &|_, _| ()).expect("it is NIfTI").series.remove(0);
        assert!(codes(&info.faults).contains(&"missing_geometry"), "{column}: {info:?}");
        placed = nifti(2, 8, &voxels);
    }
}

#[test]
fn a_scan_in_another_format_beside_a_dicom_series_is_left_out() {
    let folder: &Path = &asset("scans/ct-liver-contrast");
    assert_eq!(series(folder).len(), 1, "the label map is no series");
}

/// Voxels a segment as pydicom counts them; where segments overlap the one asked for is whole.
#[test]
fn dicom_segmentation_objects_are_label_maps_on_the_images_they_were_made_from() {
    let Some(folder) = data("ct-3slice-dicom-seg") else { return };
    let found = series(&folder.join("image"));
    let image = volume(&found[0]);
    for (file, label, per_slice) in [
        ("liver", 1, [36_233, 35_645, 35_220]),
        ("partial_overlaps", 1, [0, 9602, 0]),
        ("partial_overlaps", 2, [0, 11_888, 0]),
        ("partial_overlaps", 3, [117, 117, 10_509]),
        ("partial_overlaps", 4, [6693, 0, 0]),
        ("partial_overlaps", 5, [4713, 0, 0]),
    ] {
        let map = labels::read(&folder.join(format!("seg/{file}.dcm")), label).expect("a segmentation object");
        let map = labels::resample(&map, image).expect("they overlap");
        let plane = 512 * 512;
        let counts = [0, 1, 2].map(|k| map.voxels[k * plane..(k + 1) * plane].iter().filter(|v| **v == label).count());
        assert_eq!(counts, per_slice, "{file} {label}");
    }
    // a CT is no label map, and a cut object none either
    assert!(matches!(labels::read(&folder.join("image/01.dcm"), 1), Err(LabelError::Unreadable { .. })));
    let whole = fs::read(folder.join("seg/liver.dcm")).expect("readable");
    let cut = tempfile::NamedTempFile::new().expect("a temporary file");
    for length in (0..whole.len()).step_by(997) {
        fs::write(cut.path(), &whole[..length]).expect("written");
        assert!(labels::read(cut.path(), 1).is_err(), "cut to {length}");
    }
}
