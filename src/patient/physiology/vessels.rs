//! What cut vessels shed: each carries the share of its organ's flow that Murray's law gives it, and loses it where it is open.
//!
//! At a fork the flow divides as the cube of the radii (C. D. Murray, “The physiological principle of minimum work”, PNAS 12:207, 1926). A
//! vessel that is open to a share of its cross-section sheds that share of what arrives there, and what lies beyond gets the rest. Flows
//! follow the arterial pressure in proportion.
//!
//! Left out: what flows back from beyond the cut, the fall of resistance when a vessel opens to the air (a large one sheds more than it
//! carried), spasm and clotting: a vessel of the size that a scan shows does not stop by itself.

use glam::Vec3;
use serde::{Deserialize, Serialize};

use crate::patient::{parameters::Parameters, vessels::VesselTree};

/// An opening below this share of the cross-section is a nick that closes.
const NICK: f64 = 0.1;

/// A vessel that a cut has opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenedVessel {
    pub name: String,
    pub radius_mm: f64,
    /// What it carries at rest, ml/min.
    pub flow_ml_per_min: f64,
    /// Where it was opened, in the rest shape, m.
    pub rest: Vec3,
}

/// The vessels of an organ, and where they are open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vessels {
    branches: Vec<Branch>,
    mean_rest_mmhg: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct Branch {
    name: String,
    /// By number in `Vessels::branches`; a parent comes before its children.
    parent: Option<usize>,
    radius_m: f64,
    /// World, at rest.
    line: Vec<Vec3>,
    /// At rest: what enters a root, ml/s.
    enters_ml_per_s: f64,
    /// Of what its parent passes on, the share that enters here.
    share: f64,
    /// Cross-section that cuts have opened, m².
    opened_m2: f64,
    told: bool,
}

impl Branch {
    /// The share of the cross-section that is open.
    fn open(&self) -> f64 {
        let share = self.opened_m2 / (std::f64::consts::PI * self.radius_m * self.radius_m);
        if share < NICK { 0.0 } else { share.min(1.0) }
    }

    /// Distance of a place to the centre line, and the direction of the vessel there.
    fn nearest(&self, place: Vec3) -> Option<(f32, Vec3)> {
        let piece = |pair: &[Vec3]| {
            let along = pair[1] - pair[0];
            let t = ((place - pair[0]).dot(along) / along.length_squared().max(1e-12)).clamp(0.0, 1.0);
            (place.distance(pair[0] + along * t), along.normalize_or_zero())
        };
        self.line.windows(2).map(piece).min_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// What a vessel carries in all, ml/min, by its name and the twin's parameters; nothing where the parameters do not say.
pub fn trunk_flow_ml_per_min(vessel: &str, organ: &str, parameters: &Parameters) -> Option<f64> {
    let value = |what: &str| parameters.value(&format!("{organ}.{what}_flow_ml_per_min"));
    let name = vessel.to_lowercase();
    if name.contains("portal") {
        value("portal")
    } else if name.contains("arter") {
        value("arterial")
    } else if name.contains("hepatic v") || name.contains("cava") {
        Some(value("portal")? + value("arterial")?)
    } else {
        None
    }
}

impl Vessels {
    /// `flow_ml_per_min` gives what each tree carries; a tree for which it gives nothing does not bleed.
    pub fn new(trees: &[VesselTree], mean_rest_mmhg: f64, flow_ml_per_min: impl Fn(&str) -> Option<f64>) -> Self {
        let mut branches: Vec<Branch> = Vec::new();
        for tree in trees {
            let Some(trunk) = flow_ml_per_min(&tree.name) else { continue };
            let first = branches.len();
            let cube = |number: usize| tree.branches[number].radius_mm.powi(3);
            // several roots are several pieces of one vessel: they share what it carries as the branches of a fork do
            let siblings = |parent: Option<u32>| -> f64 {
                (0..tree.branches.len()).filter(|&other| tree.branches[other].parent == parent).map(cube).sum()
            };
            for (number, branch) in tree.branches.iter().enumerate() {
                let share = cube(number) / siblings(branch.parent).max(f64::MIN_POSITIVE);
                branches.push(Branch {
                    name: tree.name.clone(),
                    parent: branch.parent.map(|parent| first + parent as usize),
                    radius_m: 1e-3 * branch.radius_mm.max(0.05),
                    line: branch.line.iter().map(|[x, y, z, _]| Vec3::new(*x, *y, *z)).collect(),
                    enters_ml_per_s: if branch.parent.is_none() { trunk * share / 60.0 } else { 0.0 },
                    share,
                    opened_m2: 0.0,
                    told: false,
                });
            }
        }
        Self { branches, mean_rest_mmhg }
    }

    /// Opens what a cut went through: `faces` are the parted faces in the rest shape (world, m). Gives the vessels that it opened.
    pub fn cut(&mut self, faces: &[[Vec3; 3]]) -> Vec<OpenedVessel> {
        let mut opened = Vec::new();
        for number in 0..self.branches.len() {
            let branch = &mut self.branches[number];
            let mut place = Vec3::ZERO;
            for [a, b, c] in faces {
                let centre = (*a + *b + *c) / 3.0;
                let across = 0.5 * (*b - *a).cross(*c - *a);
                if let Some((_, along)) = branch.nearest(centre).filter(|(away, _)| f64::from(*away) < branch.radius_m) {
                    branch.opened_m2 += f64::from(across.dot(along).abs());
                    place = centre;
                }
            }
            if branch.open() > 0.0 && !branch.told {
                branch.told = true;
                let (name, radius_mm) = (branch.name.clone(), 1e3 * branch.radius_m);
                opened.push(OpenedVessel { name, radius_mm, flow_ml_per_min: 60.0 * self.carried(number), rest: place });
            }
        }
        opened
    }

    /// Closes all that is open, as clips would.
    pub fn seal(&mut self) {
        self.branches.iter_mut().for_each(|branch| (branch.opened_m2, branch.told) = (0.0, false));
    }

    /// What a branch carries at rest while nothing is cut, ml/s.
    fn carried(&self, number: usize) -> f64 {
        let branch = &self.branches[number];
        branch.parent.map_or(branch.enters_ml_per_s, |parent| self.carried(parent) * branch.share)
    }

    /// Blood lost in `dt_secs` at a mean arterial pressure, ml.
    pub fn step(&self, mean_mmhg: f64, dt_secs: f64) -> f64 {
        let mut passed = vec![0.0; self.branches.len()];
        let mut lost = 0.0;
        for (number, branch) in self.branches.iter().enumerate() {
            let arrives = branch.parent.map_or(branch.enters_ml_per_s, |parent| passed[parent] * branch.share);
            lost += arrives * branch.open();
            passed[number] = arrives * (1.0 - branch.open());
        }
        lost * (mean_mmhg / self.mean_rest_mmhg.max(1.0)).max(0.0) * dt_secs
    }

    pub fn state(&self, visit: &mut impl FnMut(f64)) {
        self.branches.iter().for_each(|branch| visit(branch.opened_m2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::vessels::VesselBranch;

    /// A trunk along x that forks into arms of radius 2 and 1 mm.
    fn fork() -> Vessels {
        let line = |from: [f32; 2], to: [f32; 2]| vec![[from[0], from[1], 0.0, 0.001], [to[0], to[1], 0.0, 0.001]];
        let branch = |parent, radius_mm, line| VesselBranch { parent, length_mm: 10.0, radius_mm, line };
        let branches = vec![
            branch(None, 3.0, line([0.0, 0.0], [0.01, 0.0])),
            branch(Some(0), 2.0, line([0.01, 0.0], [0.02, 0.01])),
            branch(Some(0), 1.0, line([0.01, 0.0], [0.02, -0.01])),
        ];
        Vessels::new(&[VesselTree { label: 64, name: "portal vein".to_owned(), branches }], 90.0, |_| Some(900.0))
    }

    /// A square of 2 · `half` across x at `x`, `y`, in small triangles.
    fn square(x: f32, y: f32, half: f32) -> Vec<[Vec3; 3]> {
        let n = 40;
        let at =
            |i: i32, j: i32| Vec3::new(x, y + half * (2.0 * i as f32 / n as f32 - 1.0), half * (2.0 * j as f32 / n as f32 - 1.0));
        let cell = |i, j| [[at(i, j), at(i + 1, j), at(i, j + 1)], [at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)]];
        (0..n).flat_map(|i| (0..n).flat_map(move |j| cell(i, j))).collect()
    }

    #[test]
    fn arms_share_the_flow_by_the_cube_of_their_radii() {
        let mut vessels = fork();
        assert_eq!(vessels.step(90.0, 60.0), 0.0);
        let opened = vessels.cut(&square(0.015, 0.005, 0.004));
        assert_eq!(opened.len(), 1);
        assert!((opened[0].flow_ml_per_min - 800.0).abs() < 1e-9, "8 to 1 of 900: {opened:?}");
        // the cut lies at 45° to the arm: the opening that counts is its cross-section, and it is open whole
        assert!((vessels.step(90.0, 60.0) - 800.0).abs() < 16.0, "{}", vessels.step(90.0, 60.0));
        assert!((vessels.step(45.0, 60.0) - 0.5 * vessels.step(90.0, 60.0)).abs() < 1e-9);

        // the trunk as well: the arm gets nothing any more
        vessels.cut(&square(0.005, 0.0, 0.005));
        assert!((vessels.step(90.0, 60.0) - 900.0).abs() < 18.0, "{}", vessels.step(90.0, 60.0));
        vessels.seal();
        assert_eq!(vessels.step(90.0, 60.0), 0.0);
    }

    #[test]
    fn half_an_opening_sheds_half_and_a_nick_nothing() {
        let mut vessels = fork();
        let halves = |vessels: &mut Vessels, from: f32| {
            vessels.cut(&square(0.005, 0.0, 0.005).into_iter().filter(|f| f[0].y >= from).collect::<Vec<_>>())
        };
        assert_eq!(halves(&mut vessels, 0.0028), []);
        assert_eq!(vessels.step(90.0, 60.0), 0.0);
        let mut vessels = fork();
        assert_eq!(halves(&mut vessels, 0.0).len(), 1);
        assert!((vessels.step(90.0, 60.0) - 450.0).abs() < 30.0, "{}", vessels.step(90.0, 60.0));
        assert_eq!(vessels.cut(&square(0.005, 0.02, 0.005)), [], "beside it");
    }
}
