//! Needles pushed into liver, drawn out and pushed into their own holes again: the toughness that the tissue was given comes back from the forces.

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::{Loads, Needle, SoftBody};

const SIZE: Vec3 = Vec3::new(0.06, 0.045, 0.06);
const CELLS: [usize; 3] = [8, 6, 8];
const YOUNG_PA: f32 = 10e3;
/// Liver, bovine: Gokgol, Basdogan & Canadinc 2012.
const TOUGHNESS_J_M2: f32 = 164.0;
const DIAMETERS_M: [f32; 4] = [0.7e-3, 0.9e-3, 1.27e-3, 1.65e-3];
const SPEED_M_S: f32 = 0.04;
const DEEP_M: f32 = 0.03;
/// Where forces are compared: the tip is well in by then.
const FROM_M: f32 = 0.012;
const SPLIT: [f64; 3] = [61.0, 18.0, 21.0];

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let curves = DIAMETERS_M.map(curves).into_iter().collect::<Result<Vec<_>, _>>()?;
    let row = |quantity: String, unit: &'static str, measured: f64, truth: f64, within: Within, source: &'static str| Row {
        case: "needle into liver",
        quantity,
        unit,
        measured,
        truth,
        within,
        source,
        held_back: None,
    };
    let gokgol = "Gokgol, Basdogan & Canadinc 2012 (bovine liver, 164 ± 6 J/m²): force of a first insertion less that of a second into the same hole";
    let truth = f64::from(TOUGHNESS_J_M2);
    let by_needle: Vec<(f64, f64)> =
        DIAMETERS_M.iter().zip(&curves).map(|(&width, curves)| (f64::from(width), curves.work_of_cutting())).collect();
    let mut rows: Vec<Row> = by_needle
        .iter()
        .map(|&(width, work)| {
            let quantity = format!("fracture toughness by a needle of {:.2} mm", 1e3 * width);
            row(quantity, "J/m²", work / width, truth, Within::Relative(0.1), gokgol)
        })
        .collect();
    let mean = |of: fn(&(f64, f64)) -> f64| by_needle.iter().map(of).sum::<f64>() / by_needle.len() as f64;
    let (width, work) = (mean(|n| n.0), mean(|n| n.1));
    let slope = by_needle.iter().map(|n| (n.0 - width) * (n.1 - work)).sum::<f64>()
        / by_needle.iter().map(|n| (n.0 - width) * (n.0 - width)).sum::<f64>();
    rows.push(row(
        "fracture toughness by the line through all four needles".into(),
        "J/m²",
        slope,
        truth,
        Within::Relative(0.1),
        gokgol,
    ));
    let shares = curves[2].split();
    for ((name, share), truth) in ["cutting", "spreading", "friction"].into_iter().zip(shares).zip(SPLIT) {
        rows.push(row(
            format!("{name} at 20 mm, share told from the force in, out and in again alone"),
            "%",
            share,
            truth,
            Within::Absolute(3.0),
            "Barnett, Lee & Moore 2016, mean of their needles; spreading and friction of this needle are set to it, so what is tested is that the curves tell them apart",
        ));
    }
    Ok(rows)
}

/// Force against the needle's way in, N, by depth of the tip below the first surface, m.
type Curve = Vec<(f32, f32)>;

struct Curves {
    first: Curve,
    out: Curve,
    second: Curve,
}

impl Curves {
    /// ∫ (F − F′) du over the way, J/m.
    fn work_of_cutting(&self) -> f64 {
        let pairs = self.first.iter().zip(&self.second).filter(|(first, _)| first.0 > FROM_M);
        let (mut work, mut count) = (0.0, 0);
        for (first, second) in pairs {
            work += f64::from(first.1 - second.1);
            count += 1;
        }
        work / f64::from(count)
    }

    /// Cutting, spreading and friction at 20 mm, %: what the second insertion lacks, and the even and odd part of in and out.
    fn split(&self) -> [f64; 3] {
        let at = |curve: &Curve| {
            let near = curve.iter().filter(|(depth, _)| (depth - 0.02).abs() < 1e-3);
            let (sum, count) = near.fold((0.0, 0), |(sum, count), (_, force)| (sum + f64::from(*force), count + 1));
            sum / f64::from(count)
        };
        let (first, out, second) = (at(&self.first), at(&self.out), at(&self.second));
        [first - second, 0.5 * (second + out), 0.5 * (second - out)].map(|part| 100.0 * part / first)
    }
}

/// A needle whose parts are as measured at 20 mm: 61 % are the work of its crack.
fn needle(diameter_m: f32) -> Needle {
    let cutting = TOUGHNESS_J_M2 * diameter_m;
    let part = |percent: f64| cutting * (percent / SPLIT[0]) as f32;
    Needle {
        radius_m: 0.5 * diameter_m,
        crack_width_m: diameter_m,
        puncture_n: 1.5 * cutting,
        spreading_n: part(SPLIT[1]),
        friction_n_m: part(SPLIT[2]) / 0.02,
    }
}

fn curves(diameter_m: f32) -> Result<Curves, ConformError> {
    let mut body = scene::body(TetMesh::block(CELLS, SIZE), scene::material(YOUNG_PA, 0.45, 1050.0), |x| x.y < 1e-6)?;
    body.set_toughness(&[TOUGHNESS_J_M2])?;
    // not on a node nor an edge of the mesh
    let entry = Vec3::new(0.0307, SIZE.y, 0.0291);
    let needle = needle(diameter_m);
    let first = run(&mut body, needle, entry, (-1e-3, DEEP_M))?;
    let out = run(&mut body, needle, entry, (DEEP_M, -5e-3))?;
    let second = run(&mut body, needle, entry, (-1e-3, DEEP_M))?;
    Ok(Curves { first, out, second })
}

/// From one depth to another; the curve is that of each tick.
fn run(body: &mut SoftBody, needle: Needle, entry: Vec3, (from, to): (f32, f32)) -> Result<Curve, ConformError> {
    let ticks = ((to - from).abs() / (SPEED_M_S * scene::TICK_SECS)).round() as u32;
    let mut curve = Vec::new();
    for tick in 1..=ticks {
        let depth = from + (to - from) * (tick as f32 / ticks as f32);
        body.drive_needle(0, needle, entry - Vec3::Y * depth, Vec3::NEG_Y)?;
        body.step(&Loads { mass_damping_per_s: 20.0, ..Loads::default() }, scene::TICK_SECS)?;
        let force = body.follow_needles().first().map_or(f32::NAN, |report| report.force_n.y);
        curve.push((depth, force));
    }
    Ok(curve)
}
