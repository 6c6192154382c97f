//! The patient from outside: real series read right, broken ones refused, a twin that is the same every time and holds no person.
//!
//! Reference figures come from `facts.json` beside each data set, made with pydicom and SimpleITK. The data are looked for in the folder
//! that `HALSTED_DATA` names, else in `../shared/data`; a test that needs them says so and passes where they are absent.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use dicom_core::Tag;
use dicom_object::open_file;
use glam::DVec3;
use halsted::{
    geom::{TetMesh, Volume},
    patient::{
        DeidentifyError, DeidentifyOptions, Fault, ImportError, ImportOptions, ImportReport, LabelError, Organ, SeriesError,
        SeriesResult, TWIN_FILE, Twin, TwinError, deidentify_file, deidentify_folder, import, labels, patient_info, read_recipe,
        read_scan, read_series, report_html,
    },
};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) fn data(under: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HALSTED_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let path = root.join(under);
    if !path.exists() {
        eprintln!("skipped: {} is not there; HALSTED_DATA names the folder", path.display());
        return None;
    }
    Some(path)
}

pub(crate) fn asset(under: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(under)
}

pub(crate) fn series(path: &Path) -> Vec<SeriesResult> {
    read_series(path, &|_, _| ()).expect("the folder holds DICOM")
}

pub(crate) fn codes(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.code).collect()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|v| v.as_f64().expect("a number")).collect()
}

pub(crate) fn volume(result: &SeriesResult) -> &Volume<f32> {
    result.volume.as_ref().expect("a sound series makes a volume")
}

/// SHA-256 of the voxels as little-endian i16, i fastest: what `facts.json` calls `sha256_int16_le_kji`.
pub(crate) fn digest(volume: &Volume<f32>) -> String {
    let bytes: Vec<u8> = volume.voxels.iter().flat_map(|&v| (v as i16).to_le_bytes()).collect();
    hex::encode(Sha256::digest(bytes))
}

/// Positions in the facts are rounded to four decimals, the mean too.
#[test]
fn real_series_have_the_geometry_and_the_values_that_other_readers_find() {
    for name in ["ct-abdomen-lidc-0314", "ct-abdomen-contrast-labelled", "mr-abdomen-seg3d"] {
        let Some(folder) = data(name) else { continue };
        let facts: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("facts.json")).expect("facts are there")).expect("JSON");
        let facts = &facts["series"][0];
        let geometry = &facts["geometry"];
        let found = series(&folder.join("dicom"));
        assert_eq!(found.len(), 1, "{name}");
        let info = &found[0].info;
        assert_eq!(info.modality, facts["modality"].as_str().expect("text"), "{name}");
        assert_eq!([info.columns, info.rows, info.slices].map(|n| n as f64).to_vec(), numbers(&geometry["size_ijk"]), "{name}");
        assert!(info.uniform && info.gantry_tilt_deg < 1e-6, "{name}: {:?}", info.faults);
        // 1, 3 and 2.5 mm thick, 3, 2 and 2.5 mm apart
        let notes: &[&str] = if name.starts_with("ct") { &["thickness_is_not_step"] } else { &[] };
        assert_eq!(codes(&info.faults), notes, "{name}");
        assert!(facts["transfer_syntaxes"].as_object().expect("object").contains_key(&info.transfer_syntax), "{name}");
        let near = |found: f64, expected: f64| assert!((found - expected).abs() <= 1e-4, "{name}: {found} is not {expected}");
        let spacing = [
            numbers(&geometry["pixel_spacing_row_col_tag"]),
            vec![geometry["median_slice_distance"].as_f64().expect("a number")],
        ]
        .concat();
        info.spacing_mm.iter().zip(&spacing).for_each(|(found, expected)| near(found.expect("known"), *expected));
        let origin = info.origin_lps_mm.expect("known");
        origin.iter().zip(numbers(&geometry["first_position"])).for_each(|(found, expected)| near(*found, expected));
        let direction = info.direction.expect("known");
        for (column, axis) in ["row_direction", "column_direction", "normal"].iter().enumerate() {
            numbers(&geometry[*axis]).iter().enumerate().for_each(|(row, expected)| near(direction[3 * row + column], *expected));
        }
        let range = numbers(&facts["values"]["min_max"]);
        assert_eq!([info.value_min, info.value_max], [Some(range[0]), Some(range[1])], "{name}");
        near(info.value_mean.expect("known"), numbers(&facts["values"]["mean_std"])[0]);
        let image = volume(&found[0]);
        assert_eq!(digest(image), facts["values"]["sha256_int16_le_kji"].as_str().expect("text"), "{name}: every voxel");
        for voxel in facts["voxels"].as_array().expect("an array") {
            let ijk = numbers(&voxel["ijk"]);
            let at = [ijk[0] as usize, ijk[1] as usize, ijk[2] as usize];
            assert_eq!(image.get(at).map(f64::from), voxel["value"].as_f64(), "{name} {at:?}");
            let place = image.lps_from_voxel.transform_point3(DVec3::from_slice(&ijk));
            // three decimals in the facts
            place
                .to_array()
                .iter()
                .zip(numbers(&voxel["lps"]))
                .for_each(|(found, expected)| assert!((found - expected).abs() < 6e-4, "{name}"));
        }
    }
}

/// The liver of each labelled data set, imported: volume and mean value as SimpleITK finds them (labels.csv); the body of another (facts.json).
#[test]
fn imports_of_real_series_hold_the_organs_that_other_readers_find() {
    for (scan, labels, ml, mean) in [
        ("ct-abdomen-contrast-labelled/dicom", "ct-abdomen-contrast-labelled/labels.nii.gz", 699.44, 89.3),
        ("ct-abdomen-nifti-labelled/ct.nii.gz", "ct-abdomen-nifti-labelled/labels.nii.gz", 1043.118, 45.29),
    ] {
        let (Some(path), labels @ Some(_)) = (data(scan), data(labels)) else { continue };
        let options = ImportOptions { labels, label: 5, organ: "liver".into(), feature_mm: 12.0, ..ImportOptions::default() };
        let (twin, report) = import(&path, &options, &|_, _, _| ()).unwrap_or_else(|fault| panic!("{scan}: {fault}"));
        assert_eq!(twin.tets.validate(), Ok(()), "{scan}");
        let found = report.quality.label_volume_ml;
        assert!((found / ml - 1.0).abs() < 1e-4, "{scan}: {found} ml of {ml}");
        assert!((report.organ_mean - mean).abs() < 0.01, "{scan}: {} HU", report.organ_mean);
    }
    if let Some(path) = data("ct-abdomen-lidc-0314/dicom") {
        let (_, image, _) = read_scan(&path, None, &|_, _, _| ()).expect("a volume");
        let body = labels::by_range(&image, -299.0, 3000.0).expect("there is a body");
        assert_eq!(body.voxels.iter().filter(|v| **v == 1).count(), 3_136_460, "body_mask_largest_6_connected_component");
    }
}

#[test]
fn the_answer_of_patient_info_has_the_agreed_keys_and_the_voxel_asked_for() {
    let scan = asset("scans/ct-liver-contrast");
    let info = patient_info(&scan, Some([256, 256, 10]), &|_, _| ()).expect("the bundled scan is sound");
    let json = serde_json::to_value(&info).expect("plain data");
    let keys: BTreeSet<&str> = json["series"][0].as_object().expect("object").keys().map(String::as_str).collect();
    let agreed = [
        "modality",
        "slices",
        "rows",
        "columns",
        "spacing_mm",
        "origin_lps_mm",
        "direction",
        "uniform",
        "gantry_tilt_deg",
        "value_min",
        "value_max",
        "value_mean",
        "transfer_syntax",
        "faults",
    ];
    assert_eq!(keys, BTreeSet::from(agreed));
    assert_eq!(json["voxel"], -47.0);
    let outside = patient_info(&scan, Some([512, 0, 0]), &|_, _| ());
    assert!(matches!(outside, Err(SeriesError::NoSuchVoxel { at: [512, 0, 0], .. })));
    assert!(
        serde_json::to_value(patient_info(&scan, None, &|_, _| ()).expect("sound")).expect("plain data").get("voxel").is_none()
    );
}

#[test]
fn files_that_are_not_dicom_are_skipped_and_counted_and_missing_or_empty_folders_are_named() {
    let (_, _, skipped) = read_scan(&asset("scans/ct-liver-contrast"), None, &|_, _, _| ()).expect("the bundled scan is sound");
    assert_eq!(skipped, 5, "labels, recipe, record, licence and README are no DICOM");
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert!(matches!(read_series(folder.path(), &|_, _| ()), Err(SeriesError::Empty(_))));
    assert!(matches!(read_series(&folder.path().join("nowhere"), &|_, _| ()), Err(SeriesError::NotFound(_))));
    fs::write(folder.path().join("note.txt"), "no image").expect("written");
    assert!(matches!(read_series(folder.path(), &|_, _| ()), Err(SeriesError::NoImages { skipped: 1, .. })));
}

#[test]
fn a_gantry_tilt_is_measured_and_undone_for_an_import() {
    let Some(folder) = data("dicom-odd/ct-gantry-tilt-14deg") else { return };
    let found = series(&folder);
    let info = &found[0].info;
    assert!((info.gantry_tilt_deg - 14.0).abs() < 1e-3, "{}", info.gantry_tilt_deg);
    assert!((info.spacing_mm[2].expect("known") - 4.851).abs() < 1e-3);
    assert_eq!(codes(&info.faults), ["gantry_tilt"]);
    // as the files have it: one slice further is 5 mm along z, not along the normal
    let tilted = volume(&found[0]).clone();
    let step = tilted.lps_from_voxel.matrix3.z_axis;
    assert!((step - DVec3::new(0.0, 0.0, 5.0)).length() < 1e-3, "{step}");
    // as an import takes it: right angles, 4.851 mm apart, and every slice where it was
    let (_, straight, _) = read_scan(&folder, None, &|_, _, _| ()).expect("a volume");
    let axes = straight.lps_from_voxel.matrix3;
    assert!(axes.x_axis.dot(axes.z_axis).abs() < 1e-6 && axes.y_axis.dot(axes.z_axis).abs() < 1e-6, "{axes}");
    assert!((axes.z_axis.length() - 4.851).abs() < 1e-3);
    let extra = (3.0 * 1.2096 / axes.y_axis.length()).ceil() as usize;
    assert_eq!(straight.dims, [tilted.dims[0], tilted.dims[1] + extra, 4]);
    for ijk in [[100, 200, 0], [256, 256, 1], [300, 40, 2], [7, 500, 3]] {
        let at = tilted.lps_from_voxel.transform_point3(DVec3::from_array(ijk.map(|n| n as f64)));
        let back = straight.lps_from_voxel.inverse().transform_point3(at);
        assert!((back.z - ijk[2] as f64).abs() < 1e-6 && (back.x - ijk[0] as f64).abs() < 1e-2, "{back}");
        // the value lies between those of the two rows that it came from
        let (row, column, k) = (back.y.round() as usize, ijk[0], ijk[2]);
        let here = tilted.lps_from_voxel.inverse().transform_point3(straight.lps_from_voxel.transform_point3(DVec3::new(
            column as f64,
            row as f64,
            k as f64,
        )));
        let rows = [here.y.floor(), here.y.ceil()].map(|j| tilted.get([column, j as usize, k]).expect("inside"));
        let share = (here.y - here.y.floor()) as f32;
        let expected = rows[0] + share * (rows[1] - rows[0]);
        let value = straight.get([column, row, k]).expect("inside");
        // columns agree to a hundredth of a voxel, and the noise of these pixels reaches over some thousand
        assert!((value - expected).abs() < 30.0, "{ijk:?}: {value} is not {expected}");
    }
}

#[test]
fn mixed_orientations_make_no_volume() {
    let Some(folder) = data("dicom-odd/mr-mixed-orientations") else { return };
    let found = series(&folder);
    assert!(found[0].volume.is_none() && codes(&found[0].info.faults).contains(&"mixed_orientations"));
}

#[test]
fn the_same_image_in_every_transfer_syntax_gives_the_same_voxels() {
    if let Some(folder) = data("dicom-odd/transfer-syntaxes-mr-small") {
        let reference = series(&folder.join("MR_small.dcm")).remove(0);
        assert_eq!([reference.info.value_min, reference.info.value_max], [Some(127.0), Some(2145.0)]);
        for name in [
            "MR_small_RLE",
            "MR_small_bigendian",
            "MR_small_expb",
            "MR_small_implicit",
            "MR_small_jp2klossless",
            "MR_small_padded",
            "MR_small_jpeg_ls_lossless",
        ] {
            let other = series(&folder.join(format!("{name}.dcm"))).remove(0);
            assert_eq!(volume(&other).voxels, volume(&reference).voxels, "{name}");
        }
    }
    if let (Some(rle), Some(jpeg)) = (data("dicom-odd/mr-sagittal-rle"), data("dicom-odd/mr-sagittal-jpeg-lossless")) {
        let (rle, jpeg) = (series(&rle).remove(0), series(&jpeg).remove(0));
        assert_eq!(volume(&rle), volume(&jpeg));
        assert_eq!([rle.info.value_min, rle.info.value_max, rle.info.spacing_mm[2]], [Some(0.0), Some(254.0), Some(1.0)]);
    }
}

#[test]
fn enhanced_multi_frame_images_are_placed_by_their_functional_groups_or_refused() {
    let Some(folder) = data("dicom-odd/enhanced-multiframe") else { return };
    let placed = series(&folder.join("eCT_Supplemental.dcm")).remove(0);
    assert_eq!((placed.info.slices, placed.info.spacing_mm[2], placed.info.uniform), (2, Some(10.0), true));
    assert_eq!([placed.info.value_min, placed.info.value_max], [Some(-1024.0), Some(172.0)]);
    assert_eq!(placed.info.direction.map(|d| [d[2], d[5], d[8]]), Some([0.0, 0.0, -1.0]));
    assert_eq!(volume(&placed).dims, [512, 512, 2]);
    let mut means = Vec::new();
    for name in ["emri_small", "emri_small_RLE", "emri_small_big_endian", "emri_small_jpeg_2k_lossless"] {
        let found = series(&folder.join(format!("{name}.dcm"))).remove(0);
        assert_eq!((found.info.slices, found.info.value_min, found.info.value_max), (10, Some(0.0), Some(467.0)), "{name}");
        assert!(found.volume.is_none() && codes(&found.info.faults).contains(&"missing_geometry"), "{name}");
        means.push(found.info.value_mean);
    }
    means.dedup();
    assert_eq!(means.len(), 1, "all syntaxes hold the same frames");
}

/// Each malformed file is answered with the right voxels, or refused by a named fault.
#[test]
fn malformed_files_are_answered_or_refused_by_name() {
    let Some(folder) = data("dicom-odd/malformed") else { return };
    let expected: [(&str, &[&str]); 12] = [
        ("CTImageStorage_bad_meta.dcm", &[]),
        ("bad_sequence.dcm", &[]),
        ("MR_truncated.dcm", &["truncated_pixel_data"]),
        (
            "emri_small_jpeg_2k_lossless_too_short.dcm",
            &["truncated_pixel_data", "missing_geometry", "missing_geometry", "missing_geometry"],
        ),
        ("badVR.dcm", &["bad_value"]),
        ("meta_missing_tsyntax.dcm", &["no_transfer_syntax"]),
        ("no_meta_group_length.dcm", &["no_pixel_data"]),
        ("ExplVR_BigEndNoMeta.dcm", &["no_pixel_data"]),
        ("UN_sequence.dcm", &["no_pixel_data"]),
        ("rtplan_truncated.dcm", &["no_pixel_data"]),
        ("empty_charset_LEI.dcm", &["no_pixel_data"]),
        ("no_meta.dcm", &["not DICOM"]),
    ];
    for (name, faults) in expected {
        match read_series(&folder.join(name), &|_, _| ()) {
            Ok(found) => {
                assert_eq!(codes(&found[0].info.faults), faults, "{name}");
                assert_eq!(found[0].volume.is_some(), faults.is_empty(), "{name}");
                assert!(found[0].info.faults.iter().all(|f| f.code == "missing_geometry" || f.message.contains(name)), "{name}");
            }
            Err(SeriesError::NoImages { skipped: 1, .. }) => assert_eq!(faults, ["not DICOM"], "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    let found = series(&folder.join("bad_sequence.dcm"));
    assert_eq!([found[0].info.value_min, found[0].info.value_max], [Some(-1011.0), Some(1243.0)]);
    // whole and as one folder they are no trouble either
    assert!(!series(&folder).is_empty());
}

/// A file that is cut or damaged anywhere is answered somehow; the fixed generator makes every run the same.
#[test]
fn no_cut_and_no_flipped_byte_brings_the_reader_down() {
    let mut sources = vec![asset("scans/ct-liver-contrast/0001.dcm")];
    for name in [
        "transfer-syntaxes-mr-small/MR_small_RLE.dcm",
        "enhanced-multiframe/emri_small_jpeg_2k_lossless.dcm",
        "single/image_dfl.dcm",
    ] {
        sources.extend(data(&format!("dicom-odd/{name}")));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("damaged.dcm");
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for source in sources {
        let whole = fs::read(&source).expect("readable");
        for round in 0..40 {
            let mut bytes = whole.clone();
            if round % 2 == 0 {
                bytes.truncate(random(whole.len()));
            }
            // damage where the structure is dense
            for _ in 0..1 + random(8) {
                let at = random(bytes.len().min(if round % 4 < 2 { 2048 } else { usize::MAX }));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random(256) as u8;
                }
            }
            fs::write(&path, &bytes).expect("written");
            if let Ok(found) = read_series(&path, &|_, _| ()) {
                for series in found {
                    assert!(series.volume.is_none_or(|v| v.voxels.len() == v.dims.iter().product::<usize>()));
                }
            }
        }
    }
}

/// Rewrites copies of bundled slices so that their series is wrong in one way.
pub(crate) fn spoilt(slices: &[usize], change: impl Fn(usize, &mut dicom_object::DefaultDicomObject)) -> Vec<SeriesResult> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (at, slice) in slices.iter().enumerate() {
        let mut object = open_file(asset(&format!("scans/ct-liver-contrast/{slice:04}.dcm"))).expect("the bundled scan is DICOM");
        change(at, &mut object);
        object.write_to_file(folder.path().join(format!("{at}.dcm"))).expect("written");
    }
    series(folder.path())
}

#[test]
fn missing_and_double_slices_make_no_volume_and_uneven_ones_are_resampled() {
    let sound = spoilt(&[1, 2, 3, 4, 5], |_, _| ());
    assert!(sound[0].volume.is_some());
    assert_eq!(codes(&sound[0].info.faults), ["thickness_is_not_step"]);
    let gap = spoilt(&[1, 2, 3, 6, 7, 8], |_, _| ());
    assert!(gap[0].volume.is_none() && !gap[0].info.uniform);
    assert_eq!(codes(&gap[0].info.faults), ["missing_slices"]);
    assert!(gap[0].info.faults[0].message.contains("about 2 slices"), "{}", gap[0].info.faults[0].message);
    let double = spoilt(&[1, 2, 3, 3, 4], |_, _| ());
    assert!(double[0].volume.is_none());
    assert_eq!(codes(&double[0].info.faults), ["repeated_positions"]);
    let uneven = spoilt(&[1, 2, 3, 4, 5, 6], |at, object| {
        if at == 2 {
            object.put_str(Tag(0x0020, 0x0032), dicom_core::VR::DS, "-249.51171875\\-437.51171875\\-800.3");
        }
    });
    assert!(uneven[0].volume.is_none() && uneven[0].makes_volume() && !uneven[0].info.uniform);
    assert_eq!(codes(&uneven[0].info.faults), ["uneven_steps"]);
    // 10 mm in steps of 2, 2.2, 1.8, 2 and 2 mm, resampled at about the smallest; the first slice is untouched
    let stored = uneven[0].voxel([256, 256, 2]);
    assert_eq!(stored, sound[0].voxel([256, 256, 2]), "as the file has it");
    let straight = uneven.into_iter().next().expect("one series").straight_volume().expect("a volume");
    assert_eq!(straight.dims, [512, 512, 7]);
    assert!((straight.spacing_mm()[2] - 10.0 / 6.0).abs() < 1e-6);
    let size = 512 * 512;
    let first = volume(&sound[0]);
    assert_eq!(straight.voxels[..size], first.voxels[..size]);
    // the third plane lies 3.33 mm deep, between slice 1 at 2 mm and the moved one at 4.2 mm
    let plane = |k: usize| straight.get([256, 256, k]).expect("inside");
    let slice = |k: usize| first.get([256, 256, k]).expect("inside");
    let share = (20.0f32 / 6.0 - 2.0) / 2.2;
    assert!((plane(2) - (slice(1) + share * (slice(2) - slice(1)))).abs() < 1e-3, "{}", plane(2));
    let nowhere = spoilt(&[1, 2, 3], |at, object| {
        if at == 1 {
            object.remove_element(Tag(0x0020, 0x0032));
        }
    });
    assert!(nowhere[0].volume.is_none());
    assert_eq!(codes(&nowhere[0].info.faults), ["missing_geometry"]);
}

#[test]
fn slices_are_ordered_by_position_whatever_their_names_and_numbers_say() {
    let shuffled = spoilt(&[5, 1, 4, 2, 3], |at, object| {
        object.put_str(Tag(0x0020, 0x0013), dicom_core::VR::IS, (at + 1).to_string());
    });
    let straight = spoilt(&[1, 2, 3, 4, 5], |_, _| ());
    assert_eq!(volume(&shuffled[0]), volume(&straight[0]));
}

/// Reference volumes from `labels.csv`, which SimpleITK made: the map's rows run the other way, so an importer by index fails here.
#[test]
fn a_label_map_on_flipped_axes_covers_the_same_tissue() {
    let found = series(&asset("scans/ct-liver-contrast"));
    let image = volume(&found[0]);
    let map = labels::read(&asset("scans/ct-liver-contrast/labels.nii.gz"), 1).expect("the bundled labels are NIfTI");
    let labels = labels::resample(&map, image).expect("they overlap");
    for (label, voxels, mean) in [(5, 366_708, 89.3), (1, 130_634, 79.57), (52, 11_723, 177.31)] {
        let inside: Vec<f64> =
            labels.voxels.iter().zip(&image.voxels).filter(|(l, _)| **l == label).map(|(_, v)| f64::from(*v)).collect();
        assert_eq!(inside.len(), voxels, "label {label}");
        assert!((inside.iter().sum::<f64>() / voxels as f64 - mean).abs() < 0.01, "label {label}");
    }
}

#[test]
fn damaged_label_maps_are_refused() {
    let packed = fs::read(asset("scans/ct-liver-contrast/labels.nii.gz")).expect("readable");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("labels.nii.gz");
    for length in [0, 10, 400, 5_000, packed.len() / 2] {
        fs::write(&path, &packed[..length]).expect("written");
        assert!(matches!(labels::read(&path, 1), Err(LabelError::Unreadable { .. })), "{length}");
    }
    let plain = folder.path().join("labels.nii");
    for (what, at, value) in
        [("dims", 42, 0xFFu8), ("dims", 43, 0xFF), ("type", 70, 0x63), ("rank", 40, 9), ("offset", 111, 0xFF)]
    {
        let mut bytes = vec![0u8; 352 + 64];
        bytes[..4].copy_from_slice(&348i32.to_le_bytes());
        for (n, dim) in [3u16, 4, 4, 4, 1, 1, 1, 1].iter().enumerate() {
            bytes[40 + 2 * n..42 + 2 * n].copy_from_slice(&dim.to_le_bytes());
        }
        bytes[70..72].copy_from_slice(&2i16.to_le_bytes());
        bytes[72..74].copy_from_slice(&8i16.to_le_bytes());
        bytes[108..112].copy_from_slice(&352f32.to_le_bytes());
        bytes[254..256].copy_from_slice(&1i16.to_le_bytes());
        for (row, at) in [280, 296, 312].iter().enumerate() {
            bytes[at + 4 * row..at + 4 * row + 4].copy_from_slice(&1f32.to_le_bytes());
        }
        bytes[344..348].copy_from_slice(b"n+1\0");
        fs::write(&plain, &bytes).expect("written");
        assert!(labels::read(&plain, 1).is_ok(), "the undamaged map is sound");
        bytes[at] = value;
        fs::write(&plain, &bytes).expect("written");
        assert!(labels::read(&plain, 1).is_err(), "{what}");
    }
}

fn liver_options() -> ImportOptions {
    let recipe = read_recipe(&asset("scans/ct-liver-contrast")).expect("sound").expect("a recipe lies beside the scan");
    recipe.options
}

fn imported() -> &'static (Twin, ImportReport) {
    static IMPORTED: OnceLock<(Twin, ImportReport)> = OnceLock::new();
    IMPORTED.get_or_init(|| {
        import(&asset("scans/ct-liver-contrast"), &liver_options(), &|_, _, _| ()).expect("the bundled scan imports")
    })
}

/// The golden of the whole importer: a change of any step that moves a voxel or a vertex shows here, and asks for a new twin.
#[test]
fn the_committed_twin_is_what_an_import_of_the_bundled_scan_gives() {
    let folder = asset("patients/liver-contrast");
    let files = imported().0.files();
    for (name, bytes) in &files {
        assert!(fs::read(folder.join(name)).is_ok_and(|there| there == *bytes), "{name} differs: import the bundled scan again");
    }
    let (_, ron) = files.last().expect("twin.ron is the last");
    assert_eq!(Twin::hash_of(&folder).expect("a twin"), hex::encode(Sha256::digest(ron)));
}

#[test]
fn an_import_gives_the_same_bits_on_one_thread() {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one");
    let again = one.install(|| import(&asset("scans/ct-liver-contrast"), &liver_options(), &|_, _, _| ())).expect("imports");
    assert!(again.0 == imported().0, "the twins differ");
}

#[test]
fn the_liver_mesh_is_sound_and_holds_the_label() {
    let (twin, report) = imported();
    assert_eq!(twin.tets.validate(), Ok(()));
    assert!((12_000..=16_000).contains(&twin.tets.tets.len()), "{}", twin.tets.tets.len());
    // the label holds 699.44 ml (labels.csv); the surface is offset to hold as much, one lattice step aside
    assert!((report.quality.label_volume_ml - 699.44).abs() < 0.01);
    assert!((twin.tets.volume() * 1e6 / 699.44 - 1.0).abs() < 0.005, "{}", twin.tets.volume() * 1e6);
    // isosurface stuffing promises 10.8 degrees
    assert!(report.quality.dihedral_min_deg > 10.8, "{}", report.quality.dihedral_min_deg);
    // a bevel of half a cell along the edges where the scan cuts the liver
    assert!(report.quality.label_distance_p95_mm < 2.5, "{}", report.quality.label_distance_p95_mm);
    assert_eq!(codes(&report.warnings), ["thickness_is_not_step", "organ_cut_off"]);
    // every boundary vertex lies on the zero level, up to f32 positions of some 0.1 m
    for (face, _) in twin.tets.boundary() {
        for v in face {
            assert!(twin.distance.sample(twin.tets.vertices[v as usize]).abs() < 1e-6);
        }
    }
}

/// The smoothed surface may bulge past the voxels' box by as much as its offset and half a voxel.
#[test]
fn the_twin_lies_over_the_table_with_its_front_up() {
    let twin = &imported().0;
    let low = twin.tets.vertices.iter().copied().reduce(glam::Vec3::min).expect("vertices");
    let high = twin.tets.vertices.iter().copied().reduce(glam::Vec3::max).expect("vertices");
    assert!((low.y - 0.05).abs() < 2e-3, "{low}");
    assert!((low.x + high.x).abs() < 4e-3 && (low.z + high.z).abs() < 4e-3, "{low} {high}");
    // the spine (label 33, T11) lies behind the liver: below it in the world
    let centre = |label: u8| {
        let [a, b] = halsted::patient::frame::label_bounds(&twin.labels, label).expect("labelled");
        twin.world_from_lps.transform_point3((a + b) * 0.5)
    };
    assert!(centre(33).y < centre(5).y && centre(1).x > centre(5).x, "spine behind, spleen to the left");
}

/// Half a voxel is 1 mm here. Measured at 8.6, 6 and 4 mm cells: 1.18, 0.98 and 0.75 mm; 1.83, 1.45 and 1.29 without.
#[test]
fn a_close_surface_lies_near_the_label_and_its_tetrahedra_stay_sound() {
    let options = ImportOptions { close_surface: true, feature_mm: 6.0, ..liver_options() };
    let (twin, report) = import(&asset("scans/ct-liver-contrast"), &options, &|_, _, _| ()).expect("the bundled scan imports");
    println!("{:?} {:?}", report.quality, report.agreement);
    assert_eq!(twin.tets.validate(), Ok(()));
    assert!(report.quality.label_distance_p95_mm < 1.0, "{}", report.quality.label_distance_p95_mm);
    assert!(report.quality.dihedral_min_deg > 11.9, "{}", report.quality.dihedral_min_deg);
    assert!(report.agreement[0].dice > 0.985 && report.volume_error.abs() < 0.005, "{:?}", report.agreement);
}

/// Segmented and meshed in one go; the label of 36 ml that comes out is the one that `tests/segment.rs` measures.
#[test]
fn seeds_become_a_twin_without_a_label_map() {
    let scan = asset("scans/ct-liver-plain/ct.nii.gz");
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/seeds/ct-liver-plain.ron");
    let options = ImportOptions {
        seeds: Some(seeds),
        organ: "kidney right".to_owned(),
        regions: vec![Organ { label: 4, name: "gallbladder".to_owned() }],
        feature_mm: 6.0,
        ..ImportOptions::default()
    };
    let mistaken = ImportOptions { organ: "kidney".to_owned(), ..options.clone() };
    let fault = import(Path::new("no such scan"), &mistaken, &|_, _, _| ()).expect_err("no such label");
    assert!(fault.to_string().contains("no label `kidney`; there are gallbladder, kidney left"), "{fault}");

    let (twin, report) = import(&scan, &options, &|_, _, _| ()).expect("a scan and its seeds");
    assert_eq!((report.segments.len(), twin.organ.label, twin.regions.len()), (5, 2, 2));
    let of = |organ: &str| report.agreement.iter().find(|found| found.name == organ).expect("meshed");
    for organ in ["kidney right", "gallbladder"] {
        let found = of(organ);
        println!("{found:?}");
        assert!(found.dice > 0.9 && found.hausdorff_p95_mm < 3.0 && found.volume_error.abs() < 0.05, "{found:?}");
        assert!(report_html(&twin, &report).expect("a page").contains(&format!("{:.3}", found.dice)));
    }
}

#[test]
fn a_twin_comes_back_from_its_folder_as_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("nested/twin");
    let twin = &imported().0;
    twin.write(&dir).expect("written");
    assert!(Twin::read(&dir).expect("sound") == *twin);
    twin.write(&dir).expect("an older twin is replaced");
    let left: Vec<_> = fs::read_dir(folder.path().join("nested")).expect("a folder").collect();
    assert_eq!(left.len(), 1, "nothing temporary stays");
    let other = folder.path().join("other");
    fs::create_dir(&other).expect("made");
    fs::write(other.join("thesis.txt"), "precious").expect("written");
    assert!(matches!(twin.write(&other), Err(TwinError::Occupied(_))));
    assert!(other.join("thesis.txt").exists());
    let blocked = folder.path().join("other/thesis.txt/twin");
    let error = twin.write(&blocked).expect_err("a file is no folder");
    assert!(error.to_string().contains("thesis.txt"), "{error}");
}

#[test]
fn a_damaged_twin_is_refused_with_the_file_that_is_damaged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("twin");
    imported().0.write(&dir).expect("written");
    let ron = fs::read_to_string(dir.join(TWIN_FILE)).expect("text");
    for name in ["volume.bin", "labels.bin", "mesh.bin", "distance.bin"] {
        let path = dir.join(name);
        let whole = fs::read(&path).expect("readable");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for spoilt in [&flipped[..], &whole[..whole.len() - 1], &[]] {
            fs::write(&path, spoilt).expect("written");
            assert!(matches!(Twin::read(&dir), Err(TwinError::Damaged { path: p, .. }) if p == path), "{name}");
        }
        // hash and length agree, the content does not: the format's own checks remain
        let mut lies = whole.clone();
        lies[12..16].copy_from_slice(&0x7FFF_FFFFu32.to_le_bytes());
        fs::write(&path, &lies).expect("written");
        let old = hex::encode(Sha256::digest(&whole));
        fs::write(dir.join(TWIN_FILE), ron.replace(&old, &hex::encode(Sha256::digest(&lies)))).expect("written");
        assert!(matches!(Twin::read(&dir), Err(TwinError::Damaged { path: p, .. }) if p == path), "{name}");
        fs::remove_file(&path).expect("removed");
        assert!(matches!(Twin::read(&dir), Err(TwinError::Io { path: p, .. }) if p == path), "{name}");
        fs::write(&path, &whole).expect("written");
        fs::write(dir.join(TWIN_FILE), &ron).expect("written");
    }
    assert!(Twin::read(&dir).is_ok());
    for (what, from, to) in [
        ("version", "version: 3", "version: 4"),
        ("an unknown field", "version: 3,", "version: 3, nurse: 3,"),
        ("Poisson's ratio", "poisson: 0.45", "poisson: 0.5"),
        ("a path", "file: \"mesh.bin\"", "file: \"../twin/mesh.bin\""),
        ("the organ", "label: 5", "label: 4"),
        ("a word", "material: (", "material: ["),
    ] {
        assert!(ron.contains(from), "{what}");
        fs::write(dir.join(TWIN_FILE), ron.replacen(from, to, 1)).expect("written");
        let error = Twin::read(&dir).expect_err(what);
        assert!(error.to_string().contains(if what == "a path" { "mesh.bin" } else { TWIN_FILE }), "{what}: {error}");
    }
    fs::remove_file(dir.join(TWIN_FILE)).expect("removed");
    assert!(matches!(Twin::read(&dir), Err(TwinError::NotATwin(_))));
}

#[test]
fn imports_that_cannot_be_right_are_refused() {
    let scan = asset("scans/ct-liver-contrast");
    let quiet = &|_: &str, _: usize, _: usize| ();
    let no_organ = ImportOptions { labels: None, ..liver_options() };
    assert!(matches!(import(&scan, &no_organ, quiet), Err(ImportError::NoOrgan)));
    let unlabelled = ImportOptions { label: 250, ..liver_options() };
    assert!(matches!(import(&scan, &unlabelled, quiet), Err(ImportError::Label(LabelError::Empty { label: 250, .. }))));
    let absent = ImportOptions { series: Some(3), ..liver_options() };
    assert!(matches!(import(&scan, &absent, quiet), Err(ImportError::NoSuchSeries { series: 3, count: 1, .. })));
    let dust = ImportOptions { feature_mm: f64::NAN, ..liver_options() };
    assert!(matches!(import(&scan, &dust, quiet), Err(ImportError::OutOfRange { .. })));
    if let Some(folder) = data("ct-abdomen-lidc-0314/dicom") {
        assert!(
            matches!(import(&folder, &liver_options(), quiet), Err(ImportError::Label(LabelError::NoOverlap))),
            "another scan's labels"
        );
    }
    if let Some(folder) = data("mr-abdomen-seg3d/dicom") {
        let hu = ImportOptions { labels: None, hu_range: Some((40.0, 200.0)), ..ImportOptions::default() };
        assert!(matches!(import(&folder, &hu, quiet), Err(ImportError::NotHounsfield { .. })));
    }
}

#[test]
fn a_range_of_hu_makes_an_organ_too() {
    let scan = asset("scans/ct-liver-contrast");
    // the spine: the largest connected part above 150 HU
    let options = ImportOptions {
        name: "bone".into(),
        organ: "bone".into(),
        hu_range: Some((150.0, 3000.0)),
        feature_mm: 5.0,
        ..ImportOptions::default()
    };
    let (twin, report) = import(&scan, &options, &|_, _, _| ()).expect("there is bone");
    assert_eq!(twin.tets.validate(), Ok(()));
    assert!(codes(&report.warnings).contains(&"not_soft_tissue"), "{:?}", report.warnings);
    // the largest part of the body as SimpleITK finds it (facts.json: body_mask_largest_6_connected_component)
    let body = labels::by_range(volume(&series(&scan)[0]), -299.0, 3000.0).expect("there is a body");
    assert_eq!(body.voxels.iter().filter(|v| **v == 1).count(), 1_495_409);
    // the table is a shell of 3 mm, which no cell of 20 mm can fill
    let shell = ImportOptions { hu_range: Some((300.0, 3000.0)), feature_mm: 20.0, ..options };
    assert!(matches!(import(&scan, &shell, &|_, _, _| ()), Err(ImportError::NoMesh { .. })));
}

/// PS3.15 annex E attributes, and what the publisher left in the files, by name: (group, element).
const PERSONAL: &[(u16, u16)] = &[
    (0x0008, 0x0012),
    (0x0008, 0x0013),
    (0x0008, 0x0014),
    (0x0008, 0x0018),
    (0x0008, 0x0020),
    (0x0008, 0x0021),
    (0x0008, 0x0022),
    (0x0008, 0x0023),
    (0x0008, 0x002A),
    (0x0008, 0x0030),
    (0x0008, 0x0031),
    (0x0008, 0x0032),
    (0x0008, 0x0033),
    (0x0008, 0x0050),
    (0x0008, 0x0070),
    (0x0008, 0x0080),
    (0x0008, 0x0081),
    (0x0008, 0x0090),
    (0x0008, 0x1010),
    (0x0008, 0x1030),
    (0x0008, 0x103E),
    (0x0008, 0x1040),
    (0x0008, 0x1048),
    (0x0008, 0x1050),
    (0x0008, 0x1060),
    (0x0008, 0x1070),
    (0x0008, 0x1080),
    (0x0008, 0x1090),
    (0x0010, 0x0010),
    (0x0010, 0x0020),
    (0x0010, 0x0021),
    (0x0010, 0x0030),
    (0x0010, 0x0032),
    (0x0010, 0x0040),
    (0x0010, 0x1000),
    (0x0010, 0x1001),
    (0x0010, 0x1010),
    (0x0010, 0x1020),
    (0x0010, 0x1030),
    (0x0010, 0x1040),
    (0x0010, 0x2000),
    (0x0010, 0x2110),
    (0x0010, 0x2154),
    (0x0010, 0x2160),
    (0x0010, 0x2180),
    (0x0010, 0x21B0),
    (0x0010, 0x21C0),
    (0x0010, 0x4000),
    (0x0018, 0x1000),
    (0x0018, 0x1020),
    (0x0018, 0x1030),
    (0x0018, 0x4000),
    (0x0020, 0x000D),
    (0x0020, 0x000E),
    (0x0020, 0x0010),
    (0x0020, 0x0052),
    (0x0020, 0x4000),
    (0x0032, 0x1032),
    (0x0032, 0x1060),
    (0x0038, 0x0010),
];

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Values of the original that must not be in the output; shorter ones than three bytes are everywhere by chance.
fn secrets(path: &Path) -> Vec<Vec<u8>> {
    let object = open_file(path).expect("the original is DICOM");
    let mut out: Vec<Vec<u8>> = Vec::new();
    for &(group, element) in PERSONAL {
        if let Ok(value) = object.element(Tag(group, element)) {
            let text = value.to_str().map(|text| text.trim().to_owned()).unwrap_or_default();
            out.extend(text.split('\\').map(|part| part.as_bytes().to_vec()));
        }
    }
    out.push(object.meta().media_storage_sop_instance_uid().trim_end_matches('\0').as_bytes().to_vec());
    out.retain(|value| value.len() >= 3);
    out
}

#[test]
fn nothing_of_the_person_survives_in_the_bundled_scan_and_its_pixels_are_untouched() {
    let Some(original) = data("ct-abdomen-contrast-labelled/dicom") else { return };
    let bundled = asset("scans/ct-liver-contrast");
    let mut bytes = Vec::new();
    let mut fragments = BTreeSet::new();
    for n in 1..=20 {
        let path = bundled.join(format!("{n:04}.dcm"));
        let object = open_file(&path).expect("an independent reader takes it");
        let pixels = object.element(Tag(0x7FE0, 0x0010)).expect("pixels").value().fragments().expect("compressed").concat();
        let mut head = fs::read(&path).expect("readable");
        // chance finds three given bytes in compressed pixels: those are compared, not searched
        let at = head.windows(pixels.len()).position(|w| w == pixels).expect("pixels are one fragment");
        head.drain(at..at + pixels.len());
        bytes.extend(head);
        fragments.insert(pixels);
    }
    let mut found = 0;
    for entry in fs::read_dir(&original).expect("a folder") {
        let path = entry.expect("an entry").path();
        for secret in secrets(&path) {
            found += 1;
            assert!(!contains(&bytes, &secret), "a value of {} characters survives", secret.len());
        }
        let object = open_file(&path).expect("DICOM");
        let pixels = object.element(Tag(0x7FE0, 0x0010)).expect("pixels").value().fragments().expect("compressed").concat();
        assert!(fragments.remove(&pixels), "the pixels of one slice are not in the bundle");
    }
    assert!(found > 200, "the original does hold such values: {found}");
    // what its README names: a date, a street, a device; the person's weight
    for left_in in [&b"20221208"[..], b"Petersgraben", b"PETCT2", b"SIEMENS", b"60064", b"NPONKINF"] {
        assert!(!contains(&bytes, left_in));
    }
    assert!(fragments.is_empty());
}

#[test]
fn the_bundled_scan_holds_only_allowed_attributes_and_consistent_uids() {
    let allowed_groups = [0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x7FE0];
    let (mut instances, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for n in 1..=20 {
        let object = open_file(asset(&format!("scans/ct-liver-contrast/{n:04}.dcm"))).expect("an independent reader takes it");
        let text = |group, element| {
            object.element(Tag(group, element)).expect("present").to_str().expect("text").trim_end_matches('\0').to_owned()
        };
        for element in object.iter() {
            assert!(allowed_groups.contains(&element.header().tag.group()), "{}", element.header().tag);
        }
        assert_eq!((text(0x0012, 0x0062).as_str(), text(0x0008, 0x0016).as_str()), ("YES", "1.2.840.10008.5.1.4.1.1.2"));
        assert!(text(0x0012, 0x0063).starts_with("Halsted allow list"));
        assert_eq!(text(0x0008, 0x0018), object.meta().media_storage_sop_instance_uid().trim_end_matches('\0'));
        assert_eq!(text(0x0020, 0x0013).trim(), n.to_string());
        instances.insert(text(0x0008, 0x0018));
        shared.insert([text(0x0020, 0x000D), text(0x0020, 0x000E), text(0x0020, 0x0052)]);
    }
    assert_eq!((instances.len(), shared.len()), (20, 1));
    assert!(instances.iter().chain(shared.iter().flatten()).all(|uid| uid.starts_with("2.25.") && uid.len() <= 64));
}

/// Whether a value stands in a text; one of digits alone by itself, not within the digits of a coordinate.
fn survives(text: &str, secret: &[u8]) -> bool {
    if !secret.iter().all(u8::is_ascii_digit) {
        return contains(text.as_bytes(), secret);
    }
    let is_part = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_digit() || *c == b'.');
    let text = text.as_bytes();
    let places = text.windows(secret.len()).enumerate().filter(|(_, window)| *window == secret);
    places
        .into_iter()
        .any(|(at, _)| !is_part(at.checked_sub(1).and_then(|at| text.get(at))) && !is_part(text.get(at + secret.len())))
}

#[test]
fn no_person_is_in_any_byte_of_the_twin() {
    let files = imported().0.files();
    let (ron, binaries): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| name.ends_with(".ron"));
    let text: String = ron.iter().map(|(_, bytes)| String::from_utf8(bytes.clone()).expect("text")).collect();
    assert!(ron.iter().any(|(name, _)| name == TWIN_FILE));
    assert!(!text.contains("2.25.") && !text.contains("1.3.12"), "no UID but the transfer syntax's");
    if let Some(original) = data("ct-abdomen-contrast-labelled/dicom") {
        for entry in fs::read_dir(&original).expect("a folder") {
            for secret in secrets(&entry.expect("an entry").path()).into_iter().filter(|s| s.len() >= 5) {
                assert!(!survives(&text, &secret), "a value of {} characters survives", secret.len());
            }
        }
    }
    // the binaries are arrays behind a header: nothing else fits in
    assert!(binaries.iter().all(|(_, bytes)| bytes.starts_with(b"HLST")));
}

#[test]
fn an_identified_series_loses_every_listed_value_and_keeps_its_relations() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::create_dir(&from).expect("made");
    for n in 1..=3 {
        let mut object = open_file(asset(&format!("scans/ct-liver-contrast/{n:04}.dcm"))).expect("DICOM");
        for &(group, element) in PERSONAL {
            object.put_str(Tag(group, element), dicom_core::VR::LO, format!("SECRET{group:04x}{element:04x}"));
        }
        object.put_str(Tag(0x0020, 0x000D), dicom_core::VR::UI, "1.2.3.4.1");
        object.put_str(Tag(0x0020, 0x000E), dicom_core::VR::UI, "1.2.3.4.2");
        object.put_str(Tag(0x0008, 0x0018), dicom_core::VR::UI, format!("1.2.3.4.3.{n}"));
        object.put_str(Tag(0x0009, 0x0010), dicom_core::VR::LO, "SECRET private creator");
        object.put_str(Tag(0x0009, 0x1001), dicom_core::VR::LO, "SECRET private value");
        object.put_str(Tag(0x6000, 0x0022), dicom_core::VR::LO, "SECRET overlay");
        object.put_str(Tag(0x5000, 0x0022), dicom_core::VR::LO, "SECRET curve");
        // a sequence within a sequence, beside and inside what may stay
        let mut inner = dicom_object::InMemDicomObject::new_empty();
        inner.put_str(Tag(0x0010, 0x0010), dicom_core::VR::PN, "SECRET^nested");
        inner.put_str(Tag(0x0008, 0x1155), dicom_core::VR::UI, "1.2.3.4.8");
        for tag in [Tag(0x0008, 0x1140), Tag(0x0040, 0x0275), Tag(0x5200, 0x9229)] {
            let mut outer = inner.clone();
            let items = dicom_core::value::DataSetSequence::from(vec![inner.clone()]);
            outer.put(dicom_core::DataElement::new(Tag(0x0020, 0x9113), dicom_core::VR::SQ, items));
            let items = dicom_core::value::DataSetSequence::from(vec![outer]);
            object.put(dicom_core::DataElement::new(tag, dicom_core::VR::SQ, items));
        }
        // free text that hides in an allowed attribute
        object.put_str(Tag(0x0008, 0x0008), dicom_core::VR::CS, "ORIGINAL\\PRIMARY\\SECRET");
        object.put_str(Tag(0x0018, 0x0088), dicom_core::VR::DS, "SECRET 2");
        object.write_to_file(from.join(format!("{n}.dcm"))).expect("written");
    }
    let options = DeidentifyOptions { key: [7; 32], ..DeidentifyOptions::default() };
    assert_eq!(deidentify_folder(&from, &to, &options).expect("clean enough").written, 3);
    for n in 1..=3 {
        let bytes = fs::read(to.join(format!("{n:04}.dcm"))).expect("written");
        assert!(!contains(&bytes, b"SECRET") && !contains(&bytes, b"1.2.3.4."), "slice {n}");
    }
    assert_eq!(volume(&series(&to)[0]), volume(&series(&from)[0]));
    assert!(matches!(deidentify_folder(&from, &to, &options), Err(DeidentifyError::Occupied(_))));
    // one file alone gets the UIDs that it got among the others
    let single = folder.path().join("single.dcm");
    deidentify_file(&from.join("2.dcm"), &single, &options).expect("clean enough");
    let uid = |path: &Path| {
        open_file(path).expect("DICOM").element(Tag(0x0008, 0x0018)).expect("present").to_str().expect("text").to_string()
    };
    assert_eq!(uid(&single), uid(&to.join("0002.dcm")));
}

/// Old files keep an overlay, often with the name in it, in the bits above the image's; others carry something after the last pixel.
#[test]
fn what_stands_beside_the_image_in_its_pixel_data_is_gone_and_every_value_stays() {
    use dicom_core::{DataElement, PrimitiveValue, VR};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("from.dcm"), folder.path().join("to.dcm"));
    let values: [i32; 8] = [-2048, -1, 0, 1, 100, 2047, -1000, 40];
    for (signed, little) in [(true, true), (false, true), (true, false), (false, false)] {
        let mut object = open_file(asset("scans/ct-liver-contrast/0001.dcm")).expect("DICOM");
        let stored = |value: i32| (if signed { value } else { value + 2048 }) as u16 & 0x0FFF;
        let words: Vec<u16> = values.iter().map(|&v| stored(v) | 0xA000).chain([0x5345, 0x4352, 0x4554]).collect();
        let numbers = [(0x0010, 2), (0x0011, 4), (0x0100, 16), (0x0101, 12), (0x0102, 11), (0x0103, u16::from(signed))];
        for (element, value) in numbers {
            object.put(DataElement::new(Tag(0x0028, element), VR::US, PrimitiveValue::from(value)));
        }
        object.put(DataElement::new(Tag(0x7FE0, 0x0010), VR::OW, PrimitiveValue::U16(words.into())));
        let syntax = if little { "1.2.840.10008.1.2.1" } else { "1.2.840.10008.1.2.2" };
        object.update_meta(|meta| meta.transfer_syntax = syntax.to_owned());
        object.write_to_file(&from).expect("written");
        deidentify_file(&from, &to, &DeidentifyOptions::default()).expect("clean enough");
        let written = open_file(&to).expect("an independent reader takes it");
        let pixels = written.element(Tag(0x7FE0, 0x0010)).expect("pixels").to_multi_int::<u16>().expect("words");
        let expected: Vec<u16> = values.iter().map(|&v| if signed { v as i16 as u16 } else { stored(v) }).collect();
        assert_eq!(pixels, expected, "signed {signed}, little endian {little}");
    }
}

/// Writers sign their code streams, and some put the patient's name there; what follows the last marker is read by nobody.
#[test]
fn what_stands_beside_the_image_in_a_code_stream_is_gone_and_every_value_stays() {
    use dicom_core::{DataElement, VR, value::PixelFragmentSequence};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("from.dcm"), folder.path().join("to.dcm"));
    let comment = |marker: u8| [&[0xFF, marker, 0, 10, 0, 1][..], b"SECRET"].concat();
    let mut sources = vec![asset("scans/ct-liver-contrast/0001.dcm")];
    for name in [
        "mr-sagittal-jpeg-lossless/IM-0001-0001-0001.dcm",
        "transfer-syntaxes-mr-small/MR_small_jpeg_ls_lossless.dcm",
        "transfer-syntaxes-mr-small/MR_small_RLE.dcm",
    ] {
        sources.extend(data(&format!("dicom-odd/{name}")));
    }
    for source in sources {
        let mut object = open_file(&source).expect("DICOM");
        let fragments = object.element(Tag(0x7FE0, 0x0010)).expect("pixels").value().fragments().expect("compressed").to_vec();
        let mut stream = fragments.concat();
        if stream.starts_with(&[0xFF, 0x4F]) {
            // after SOT, and before it: SIZ ends 43 bytes after SOC
            let tile = stream.windows(2).position(|pair| pair == [0xFF, 0x90]).expect("a tile");
            let length = u32::from_be_bytes(stream[tile + 6..tile + 10].try_into().expect("four"));
            stream[tile + 6..tile + 10].copy_from_slice(&(length + 12).to_be_bytes());
            stream.splice(tile + 12..tile + 12, comment(0x64));
            stream.splice(45..45, comment(0x64));
        } else if stream.starts_with(&[0xFF, 0xD8]) {
            stream.splice(2..2, [comment(0xE1), comment(0xFE)].concat());
        }
        stream.extend(b"SECRET");
        object.put(DataElement::new(Tag(0x7FE0, 0x0010), VR::OB, PixelFragmentSequence::new_fragments(vec![stream])));
        object.write_to_file(&from).expect("written");
        deidentify_file(&from, &to, &DeidentifyOptions { pixels_checked: true, ..DeidentifyOptions::default() })
            .expect("clean enough");
        let written = fs::read(&to).expect("written");
        assert!(!contains(&written, b"SECRET") && !contains(&written, b"Kakadu"), "{}", source.display());
        assert_eq!(volume(&series(&to)[0]).voxels, volume(&series(&source)[0]).voxels, "{}", source.display());
        let again = open_file(&to).expect("an independent reader takes it");
        assert_eq!(again.element(Tag(0x7FE0, 0x0010)).expect("pixels").value().fragments().expect("compressed").len(), 1);
    }
}

#[test]
fn series_of_one_folder_keep_the_study_and_the_frame_of_reference_that_they_shared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::create_dir(&from).expect("made");
    for (n, series) in [(1, "1.2.3.4.20"), (2, "1.2.3.4.21")] {
        let mut object = open_file(asset(&format!("scans/ct-liver-contrast/{n:04}.dcm"))).expect("DICOM");
        object.put_str(Tag(0x0020, 0x000E), dicom_core::VR::UI, series);
        object.write_to_file(from.join(series)).expect("written");
    }
    deidentify_folder(&from, &to, &DeidentifyOptions::default()).expect("clean enough");
    let uid = |n: usize, element| {
        let object = open_file(to.join(format!("{n:04}.dcm"))).expect("DICOM");
        object.element(Tag(0x0020, element)).expect("present").to_str().expect("text").to_string()
    };
    assert_eq!((uid(1, 0x000D), uid(1, 0x0052)), (uid(2, 0x000D), uid(2, 0x0052)));
    assert_ne!(uid(1, 0x000E), uid(2, 0x000E));
}

#[test]
fn heads_and_burned_in_names_are_refused_unless_someone_has_looked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (folder.path().join("from.dcm"), folder.path().join("to.dcm"));
    let refused = |tag: Tag, value: &str| {
        let mut object = open_file(asset("scans/ct-liver-contrast/0001.dcm")).expect("DICOM");
        object.put_str(tag, dicom_core::VR::CS, value);
        object.write_to_file(&from).expect("written");
        let checked = DeidentifyOptions { pixels_checked: true, ..DeidentifyOptions::default() };
        assert!(deidentify_file(&from, &folder.path().join("checked.dcm"), &checked).is_ok());
        deidentify_file(&from, &to, &DeidentifyOptions::default()).expect_err("refused")
    };
    assert!(matches!(refused(Tag(0x0018, 0x0015), "HEAD"), DeidentifyError::Head { .. }));
    assert!(matches!(refused(Tag(0x0008, 0x103E), "Brain 1mm"), DeidentifyError::Head { .. }));
    assert!(matches!(refused(Tag(0x0018, 0x1030), "Wholebody screening"), DeidentifyError::Head { .. }));
    assert!(matches!(refused(Tag(0x0028, 0x0301), "YES"), DeidentifyError::Recognisable { .. }));
    assert!(!to.exists());
}

/// Liver, two veins that touch it and a spleen that does not: thin and touching parts are the hard ones.
#[test]
fn several_organs_become_one_mesh_that_shares_its_faces() {
    let organ = |label, name: &str| Organ { label, name: name.into() };
    let options = ImportOptions {
        regions: vec![organ(1, "spleen"), organ(63, "inferior vena cava"), organ(64, "portal vein")],
        vessels: vec![organ(52, "aorta")],
        feature_mm: 6.0,
        ..liver_options()
    };
    let scan = asset("scans/ct-liver-contrast");
    let (twin, report) = import(&scan, &options, &|_, _, _| ()).expect("the bundled scan imports");
    assert_eq!(twin.tets.validate(), Ok(()));
    assert_eq!(twin.tet_regions.len(), twin.tets.tets.len());
    let poor = (0..twin.tets.tets.len())
        .filter(|&tet| twin.tets.dihedral_angles(tet).into_iter().fold(f64::INFINITY, f64::min).to_degrees() < 10.0)
        .count();
    assert!(poor * 1000 <= twin.tets.tets.len(), "{poor} of {} below 10°", twin.tets.tets.len());
    // no face has more than two owners; liver and veins share some
    let mut faces: Vec<([u32; 3], u8)> = twin
        .tets
        .tets
        .iter()
        .zip(&twin.tet_regions)
        .flat_map(|(&tet, &region)| TetMesh::faces(tet).map(|face| (face, region)))
        .map(|(mut face, region)| {
            face.sort_unstable();
            (face, region)
        })
        .collect();
    faces.sort_unstable();
    let mut shared = [[0; 4]; 4];
    for owners in faces.chunk_by(|a, b| a.0 == b.0) {
        assert!(owners.len() <= 2);
        if let [(_, a), (_, b)] = owners {
            shared[usize::from(*a)][usize::from(*b)] += 1;
        }
    }
    assert!(shared[0][2] > 20 && shared[0][3] > 20 && shared[0][1] == 0, "{shared:?}");
    // the veins are no wider than two cells
    let errors: Vec<f64> = report.regions.iter().map(|region| region.quality.volume_error().abs()).collect();
    assert!(errors[0] < 0.02 && errors[1] < 0.02 && errors[2] < 0.25 && errors[3] < 0.4, "{errors:?}");
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = temporary.path().join("twin");
    twin.write(&folder).expect("written");
    assert!(Twin::read(&folder).expect("read") == twin, "the twin comes back");
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one");
    let again = one.install(|| import(&scan, &options, &|_, _, _| ())).expect("imports");
    assert!(again.0 == twin, "another number of threads gives another twin");
    let twice = ImportOptions { regions: vec![organ(5, "again")], ..liver_options() };
    assert!(matches!(import(&scan, &twice, &|_, _, _| ()), Err(ImportError::SameRegion { label: 5, .. })));
}
