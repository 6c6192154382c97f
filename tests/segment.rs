//! Organs from seeds, against the labels that came with the scan (automatic ones, TotalSegmentator's). The seeds were placed by eye on a few
//! slices. The thresholds lie a little below what was measured (liver 0.971, spleen 0.956).

use std::path::{Path, PathBuf};

use halsted::{
    geom::Volume,
    patient::{
        labels, read_scan,
        segment::{Seeds, organs},
    },
};

fn here(under: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(under)
}

/// 2 |A ∩ B| / (|A| + |B|).
fn dice(a: &Volume<u8>, b: &Volume<u8>, label: u8) -> f64 {
    let count = |v: &Volume<u8>| v.voxels.iter().filter(|&&l| l == label).count() as f64;
    let both = a.voxels.iter().zip(&b.voxels).filter(|&(&p, &q)| p == label && q == label).count() as f64;
    2.0 * both / (count(a) + count(b))
}

fn check(scan: &Path, reference: &Path, seeds: &str, least: &[(&str, f64)]) {
    let (_, volume, _) = read_scan(scan, None, &|_, _, _| ()).expect("a scan");
    let seeds = Seeds::read(&here("tests/data/seeds").join(seeds)).expect("sound seeds");
    let (found, segments) = organs(&volume, &seeds, &|_, _, _| ()).expect("seeds within the scan");
    let reference = labels::resample(&labels::read(reference, 1).expect("labels"), &volume).expect("the same scan");
    let mut lacking = Vec::new();
    for segment in &segments {
        let dice = dice(&found, &reference, segment.label);
        println!("{} Dice {dice:.4} {segment:?}", segment.name);
        let wanted = least.iter().find(|(name, _)| *name == segment.name).expect("a threshold for every label").1;
        if dice < wanted {
            lacking.push(format!("{}: {dice:.4} < {wanted}", segment.name));
        }
    }
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn seeds_find_liver_and_spleen_of_the_bundled_scan() {
    let scan = here("assets/scans/ct-liver-contrast");
    check(&scan, &scan.join("labels.nii.gz"), "ct-liver-contrast.ron", &[("liver", 0.96), ("spleen", 0.94)]);
}
