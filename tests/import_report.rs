//! What an import leaves for people: the page beside the twin, and the slices of `patient info`.

use std::path::Path;

use crate::program::{halsted, json, refused};

fn scan() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/scans/ct-liver-contrast").to_str().unwrap().to_owned()
}

#[test]
fn an_import_reports_on_one_page_that_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mine");
    let (labels, record) = (format!("{}/labels.nii.gz", scan()), format!("{}/record.ron", scan()));
    let arguments = [
        "patient",
        "import",
        &scan(),
        "--labels",
        &labels,
        "--label",
        "5",
        "--organ",
        "liver",
        "--record",
        &record,
        "--out",
        out.to_str().unwrap(),
        "--json",
    ];
    let answer = json(&halsted(&arguments));
    let young =
        answer["parameters"]["values"].as_array().unwrap().iter().find(|p| p["name"] == "liver.young_pa").unwrap().clone();
    assert!(young["sd"].as_f64().unwrap() > 0.0 && young["source"].as_str().unwrap().contains("Roulot"), "{young}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for words in [
        "<h1>mine</h1>",
        "512 × 512 × 20",
        "699.4",
        "liver.young_pa",
        "Roulot",
        "dihedral angle",
        "What is uncertain",
        "invented",
        "outside the 900 to 2500 that the model knows",
        "No clinician has checked it",
        "95 % within",
    ] {
        assert!(page.contains(words), "`{words}` is not on the page");
    }
    // three slices, and the mesh from two sides
    assert_eq!(page.matches("data:image/png;base64,").count(), 5);
    let links = page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
    assert_eq!(links, 0, "the page asks for nothing from elsewhere");
    let home = folder.path().to_str().unwrap();
    assert!(!page.contains(home) && !page.contains(&scan()), "no path of this machine is on the page");
    // a record with a fault stops the import before anything is written
    let broken = folder.path().join("broken.ron");
    std::fs::write(&broken, "(version: 1, invented: true,\n age_years: 140)").unwrap();
    let other = folder.path().join("other");
    let arguments =
        ["patient", "import", &scan(), "--hu", "0,200", "--record", broken.to_str().unwrap(), "--out", other.to_str().unwrap()];
    refused(&arguments, &["broken.ron:2:", "an age of 140 is outside 0 to 90"]);
    assert!(!other.exists());
}

#[test]
fn the_middle_slices_are_written_as_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("slices");
    let output = halsted(&["patient", "info", &scan(), "--json", "--png", out.to_str().unwrap(), "--window", "-600,1500"]);
    assert_eq!(json(&output)["series"][0]["slices"], 20);
    for (plane, width, height) in [("axial", 512, 512), ("coronal", 512, 41), ("sagittal", 512, 41)] {
        let file = std::fs::File::open(out.join(format!("series-0-{plane}.png"))).unwrap();
        let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (width, height), "{plane}");
    }
    assert_eq!(halsted(&["patient", "info", &scan(), "--window", "40,400"]).status.code(), Some(2), "a window of no picture");
}

/// A disk that fills up while a twin is written, as a limit on the size of files: the fault names the file, and nothing stays behind.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let scan = folder.path().join("ball.nrrd");
    let voxel = |n: usize| {
        let at = [n % 48, n / 48 % 48, n / 2304].map(|v| v as f32 - 23.5);
        if at.iter().map(|v| v * v).sum::<f32>() < 256.0 { 60i16 } else { -1000 }
    };
    let voxels: Vec<u8> = (0..48 * 48 * 48).flat_map(|n| voxel(n).to_le_bytes()).collect();
    let header = "NRRD0005\ntype: short\ndimension: 3\nsizes: 48 48 48\nspace: lps\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n\
                  space origin: (0,0,0)\nencoding: raw\nendian: little\n\n";
    std::fs::write(&scan, [header.as_bytes(), &voxels].concat()).unwrap();
    let out = folder.path().join("patients/ball");
    // blocks of 512 or 1024 bytes; the volume alone takes 221 kB
    let run = |limit: &str| {
        std::process::Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" patient import \"$1\" --hu 0,100 --out \"$2\"")])
            .args([env!("CARGO_BIN_EXE_halsted"), scan.to_str().unwrap(), out.to_str().unwrap()])
            .output()
            .unwrap()
    };
    let full = run("100");
    let message = String::from_utf8_lossy(&full.stderr).into_owned();
    assert_eq!(full.status.code(), Some(2), "{message}");
    assert!(message.contains("cannot be written") && !message.contains("panicked"), "{message}");
    assert_eq!(std::fs::read_dir(out.parent().unwrap()).unwrap().count(), 0, "nothing stays");
    let whole = run("unlimited");
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    assert!(out.join("report.html").is_file());
}
