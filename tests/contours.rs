//! Contours of DICOM structure sets as labels: areas and volumes with known answers, what other programs draw, and bad ones refused by name.

use std::{f64::consts::PI, path::Path};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use glam::{DAffine3, DVec3};
use halsted::{
    geom::Volume,
    patient::{ImportOptions, LabelError, import, labels, patient_info},
};

use crate::patient::{asset, codes, data, series, volume};

/// One contour: type, points, and how many it announces.
struct Contour(&'static str, Vec<DVec3>, usize);

fn closed(points: Vec<DVec3>) -> Contour {
    let count = points.len();
    Contour("CLOSED_PLANAR", points, count)
}

/// Writes a structure set with regions of these numbers, names and contours.
fn structure_set(path: &Path, regions: &[(i32, &str, Vec<Contour>)]) {
    let text = |tag: Tag, vr: VR, value: String| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let sequence = |tag: Tag, items: Vec<InMemDicomObject>| DataElement::new(tag, VR::SQ, DataSetSequence::from(items));
    let (mut rois, mut contours) = (Vec::new(), Vec::new());
    for (number, name, lines) in regions {
        rois.push(InMemDicomObject::from_element_iter([
            text(Tag(0x3006, 0x0022), VR::IS, number.to_string()),
            text(Tag(0x3006, 0x0026), VR::LO, (*name).to_owned()),
        ]));
        let lines = lines.iter().map(|Contour(kind, points, count)| {
            let numbers: Vec<String> = points.iter().flat_map(|p| p.to_array()).map(|v| format!("{v:.6}")).collect();
            InMemDicomObject::from_element_iter([
                text(Tag(0x3006, 0x0042), VR::CS, (*kind).to_owned()),
                text(Tag(0x3006, 0x0046), VR::IS, count.to_string()),
                // longer than the 64 KiB of a DS: as other writers do
                text(Tag(0x3006, 0x0050), VR::UN, numbers.join("\\")),
            ])
        });
        contours.push(InMemDicomObject::from_element_iter([
            sequence(Tag(0x3006, 0x0040), lines.collect()),
            text(Tag(0x3006, 0x0084), VR::IS, number.to_string()),
        ]));
    }
    let object = InMemDicomObject::from_element_iter([
        text(Tag(0x0008, 0x0060), VR::CS, "RTSTRUCT".to_owned()),
        sequence(Tag(0x3006, 0x0020), rois),
        sequence(Tag(0x3006, 0x0039), contours),
    ]);
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax("1.2.840.10008.1.2.1")
        .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.481.3")
        .media_storage_sop_instance_uid("2.25.1");
    object.with_meta(meta).expect("complete").write_to_file(path).expect("written");
}

/// Circles of `radius` mm around (`x`, `y`), one on each of these planes.
fn cylinder([x, y]: [f64; 2], radius: f64, z: impl Iterator<Item = f64>) -> Vec<Contour> {
    let point = |n: usize, z: f64| {
        let angle = 2.0 * PI * n as f64 / 720.0;
        DVec3::new(x + radius * angle.cos(), y + radius * angle.sin(), z)
    };
    z.map(|z| closed((0..720).map(|n| point(n, z)).collect())).collect()
}

/// 120 × 100 × 30 voxels of 0.9 × 0.8 × 2.5 mm.
fn scan() -> Volume<f32> {
    let lps_from_voxel =
        DAffine3 { matrix3: glam::DMat3::from_diagonal(DVec3::new(0.9, 0.8, 2.5)), translation: DVec3::new(-50.0, -40.0, 10.0) };
    Volume { dims: [120, 100, 30], lps_from_voxel, voxels: vec![0.0; 120 * 100 * 30] }
}

fn ml(labels: &Volume<u8>, label: u8) -> f64 {
    labels.voxels.iter().filter(|v| **v == label).count() as f64 * labels.voxel_mm3() * 1e-3
}

/// πr²h, less the hole; planes drawn on every slice, on every second one, and between the slices.
#[test]
fn cylinders_and_tubes_have_their_volumes_whatever_the_planes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("set.dcm");
    let area = |r: f64| PI * r * r;
    for (step, first, count) in [(2.5, 15.0, 16), (5.0, 15.0, 8), (2.0, 15.7, 20), (4.0, 15.3, 10)] {
        let z = || (0..count).map(move |n| first + step * f64::from(n));
        let mut tube = cylinder([10.3, 5.1], 25.0, z());
        tube.extend(cylinder([10.3, 5.1], 12.0, z()));
        structure_set(&path, &[(7, "tube", tube), (9, "rod", cylinder([10.3, 5.1], 6.0, z()))]);
        let found = labels::onto(&path, &[7], &scan()).expect("sound");
        let height = step * f64::from(count) * 1e-3;
        // one slice more or less where the slabs end between slices
        let slice = if step == 2.5 { 0.0 } else { 2.5e-3 };
        for (label, area) in [(7, area(25.0) - area(12.0)), (9, area(6.0))] {
            let error = (ml(&found, label) - area * height).abs();
            assert!(
                error <= area * slice + 0.01 * area * height,
                "step {step}, label {label}: {} of {}",
                ml(&found, label),
                area * height
            );
        }
    }
}

#[test]
fn a_gap_between_contours_stays_empty_and_the_region_asked_for_covers_the_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("set.dcm");
    let z = [15.0, 17.5, 20.0, 40.0, 42.5];
    structure_set(
        &path,
        &[
            (2, "first", cylinder([0.0, 0.0], 20.0, z.into_iter())),
            (3, "second", cylinder([0.0, 0.0], 10.0, [17.5].into_iter())),
            (300, "unnumbered", cylinder([0.0, 0.0], 10.0, [17.5].into_iter())),
            (4, "isocentre", vec![Contour("POINT", vec![DVec3::ZERO], 1)]),
        ],
    );
    let found = labels::onto(&path, &[2], &scan()).expect("sound");
    let slices: Vec<usize> = (0..30).filter(|k| found.voxels[k * 12_000..(k + 1) * 12_000].contains(&2)).collect();
    assert_eq!(slices, [2, 3, 4, 12, 13]);
    assert_eq!(ml(&found, 3), 0.0, "the first of those asked for covers");
    assert!(ml(&labels::onto(&path, &[3, 2], &scan()).expect("sound"), 3) > 0.7);
    assert_eq!([labels::number_of(&path, " Second").ok(), labels::number_of(&path, "9").ok()], [Some(3), Some(9)]);
    assert!(matches!(labels::number_of(&path, "third"), Err(LabelError::NoSuchName { present, .. }) if present.len() == 3));
}

#[test]
fn bad_contours_are_named_and_do_not_stand_in_the_way_of_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("set.dcm");
    let good = || cylinder([0.0, 0.0], 20.0, [15.0, 17.5].into_iter());
    let points = |n: usize| good().remove(0).1.into_iter().take(n).collect::<Vec<_>>();
    let mut tilted = points(720);
    tilted[5].z += 4.0;
    let oblique = points(720).into_iter().map(|p| DVec3::new(15.0, p.y, p.x)).collect();
    for (what, contour) in [
        ("contour 1 of ROI 2 in set.dcm does not hold three or more points", closed(points(2))),
        ("announces", Contour("CLOSED_PLANAR", points(720), 719)),
        ("plane along the scan's slices", closed(tilted)),
        ("plane along the scan's slices", closed(oblique)),
        ("type", Contour("SPIRAL", points(720), 720)),
        ("no closed contours", Contour("OPEN_PLANAR", points(720), 720)),
        ("plane along the scan's slices", closed(vec![DVec3::splat(1e300), DVec3::X, DVec3::Y])),
    ] {
        structure_set(&path, &[(1, "good", good()), (2, "bad", vec![contour])]);
        let fault = labels::onto(&path, &[2], &scan()).expect_err(what).to_string();
        assert!(fault.contains(what), "{fault}");
        assert!(ml(&labels::onto(&path, &[1], &scan()).expect("the other region is sound"), 1) > 5.0, "{what}");
    }
    structure_set(&path, &[(1, "far", cylinder([9e3, 0.0], 20.0, [15.0].into_iter()))]);
    assert!(matches!(labels::onto(&path, &[1], &scan()), Err(LabelError::NoOverlap)));
    let info = patient_info(&path, None, &|_, _| ()).expect("it is DICOM");
    assert_eq!(codes(&info.series[0].faults), ["structure_set"]);
    let whole = std::fs::read(&path).expect("readable");
    for length in (200..whole.len() - 8).step_by(whole.len() / 40) {
        std::fs::write(&path, &whole[..length]).expect("written");
        assert!(labels::onto(&path, &[1], &scan()).is_err(), "cut to {length}");
    }
}

/// A set that another program wrote: a box of 400 × 300 mm on three planes, 10 mm apart, and two isocentres.
#[test]
fn the_structure_set_of_a_planning_system_holds_its_box() {
    let Some(path) = data("dicom-odd/single/rtstruct.dcm") else { return };
    let lps_from_voxel =
        DAffine3 { matrix3: glam::DMat3::from_diagonal(DVec3::splat(5.0)), translation: DVec3::new(-247.5, -247.5, -250.0) };
    let scan = Volume { dims: [100, 100, 30], lps_from_voxel, voxels: vec![0i16; 300_000] };
    let found = labels::onto(&path, &[1], &scan).expect("sound");
    // planes 10 mm apart over slices 5 mm apart: the slabs reach from −205 to −175 mm, both ends included
    assert_eq!(found.voxels.iter().filter(|v| **v == 1).count(), 80 * 60 * 7);
    assert_eq!(labels::number_of(&path, "PATIENT").ok(), Some(1));
    let fault = labels::onto(&path, &[2], &scan).expect_err("an isocentre is a point").to_string();
    assert!(fault.contains("no closed contours"), "{fault}");
}

/// From contours to a twin: a ball of 30 mm in the bundled scan.
#[test]
fn contours_become_a_twin() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("set.dcm");
    let scan = asset("scans/ct-liver-contrast");
    let image = series(&scan);
    let centre = volume(&image[0]).lps_from_voxel.transform_point3(DVec3::new(200.0, 250.0, 10.0));
    let ball = (-7..=7).flat_map(|k| {
        let dz = 2.0 * f64::from(k);
        cylinder([centre.x, centre.y], (15.0f64 * 15.0 - dz * dz).sqrt(), [centre.z + dz].into_iter())
    });
    structure_set(&path, &[(5, "ball", ball.collect())]);
    let options =
        ImportOptions { labels: Some(path), label: 5, organ: "ball".into(), feature_mm: 5.0, ..ImportOptions::default() };
    let (_, report) = import(&scan, &options, &|_, _, _| ()).expect("sound");
    let expected = 4.0 / 3.0 * PI * 1.5f64.powi(3);
    // slices of 2 mm through a ball of 15: Σ π(r² − z²) Δz is 0.2 % short
    assert!((report.quality.label_volume_ml / expected - 1.0).abs() < 0.01, "{}", report.quality.label_volume_ml);
}
