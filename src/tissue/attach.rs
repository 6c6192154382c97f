//! Attachments that can be divided: ligaments and fascia as bands of fibres from the surface to what lies around the organ.
//!
//! ```text
//! fibre      ½ k ⟨|x − a| − l⟩₊²       slack below its length l, k = share · stiffness of the band, breaks at share · strength
//! ```
//! A node's share of its band is its share of the surface. A fibre that breaks leaves its load to its neighbours, so a band gives way from where it
//! is pulled most, as tissue unzips. A blade that passes between a node and where its fibre ends divides it. What holds by an unbroken fibre is not
//! free.
//!
//! Limits: fibres end in fixed points, do not touch anything, and do not swell or bend.

use glam::Vec3;

use super::body::{BodyError, SoftBody, find_pieces};
use super::cut::Blade;
use super::elements::Node;
use super::needle::Shafts;
use super::surface::Surface;
use super::terms::vec3;

/// What a band is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    pub name: String,
    /// Nodes of the surface that it holds.
    pub nodes: Vec<u32>,
    /// The way from the organ to where the band ends.
    pub toward: Vec3,
    /// At rest, where it just bears nothing, m.
    pub length_m: f32,
    /// Of the whole band, N/m.
    pub stiffness_n_m: f32,
    /// Of the whole band, N.
    pub strength_n: f32,
}

/// Fibres that a band lost.
#[derive(Debug, Clone, PartialEq)]
pub struct BandLoss {
    pub name: String,
    /// By a blade; otherwise by overload.
    pub divided: bool,
    pub fibres: usize,
    /// Share of the band's strength that is left.
    pub left: f32,
    /// Pull of the whole band before, N.
    pub pull_n: f32,
    /// Middle of the fibres' ends on the organ, m.
    pub place: Vec3,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Fibre {
    band: u16,
    node: u32,
    end: Vec3,
    length_m: f32,
    stiffness_n_m: f32,
    strength_n: f32,
}

impl Fibre {
    fn pull_n(&self, at: Vec3) -> f32 {
        self.stiffness_n_m * (at.distance(self.end) - self.length_m).max(0.0)
    }
}

/// All bands of a body.
#[derive(Debug, Clone, Default)]
pub(super) struct Bands {
    /// Name and strength of each, N.
    of: Vec<(String, f32)>,
    fibres: Vec<Fibre>,
}

/// A fibre during one tick.
#[derive(Debug, Clone, Copy)]
struct Tie {
    node: u32,
    /// From its end to its node when the tick began, m.
    arm: Vec3,
    length_m: f32,
    stiffness: f32,
}

/// The fibres' part of the potential, and that of the needles.
#[derive(Debug, Clone, Default)]
pub struct Ties {
    list: Vec<Tie>,
    pub(super) shafts: Shafts,
    /// Direction, and stiffness along and across it, of each after [`Ties::gradient`].
    state: Vec<(Vec3, f32, f32)>,
}

impl Ties {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.shafts.is_empty()
    }

    /// J, at the displacements `moved` of this tick.
    pub fn energy(&self, moved: &[Node]) -> f64 {
        let of = |tie: &Tie| {
            let stretch = ((tie.arm + vec3(moved[tie.node as usize])).length() - tie.length_m).max(0.0);
            f64::from(0.5 * tie.stiffness * stretch * stretch)
        };
        self.list.iter().map(of).sum::<f64>() + self.shafts.energy(moved)
    }

    /// Adds the gradient, N, and keeps the stiffness for the products that follow; both its parts are positive.
    pub fn gradient(&mut self, moved: &[Node], out: &mut [Node]) {
        self.state.clear();
        for tie in &self.list {
            let arm = tie.arm + vec3(moved[tie.node as usize]);
            let length = arm.length();
            if length <= tie.length_m {
                self.state.push((Vec3::ZERO, 0.0, 0.0));
                continue;
            }
            let along = arm / length;
            let pull = tie.stiffness * (length - tie.length_m);
            self.state.push((along, tie.stiffness, pull / length));
            add(&mut out[tie.node as usize], along * pull);
        }
        self.shafts.gradient(moved, out);
    }

    pub fn product(&self, p: &[Node], out: &mut [Node]) {
        for (tie, &(n, along, across)) in self.list.iter().zip(&self.state) {
            let p = vec3(p[tie.node as usize]);
            add(&mut out[tie.node as usize], n * (n.dot(p) * (along - across)) + p * across);
        }
        self.shafts.product(p, out);
    }

    /// Adds the diagonal blocks (xx, xy, xz, yy, yz, zz).
    pub fn diagonal(&self, out: &mut [[f32; 6]]) {
        for (tie, &(n, along, across)) in self.list.iter().zip(&self.state) {
            let outer = [n.x * n.x, n.x * n.y, n.x * n.z, n.y * n.y, n.y * n.z, n.z * n.z];
            for (k, block) in out[tie.node as usize].iter_mut().enumerate() {
                *block += outer[k] * (along - across) + if matches!(k, 0 | 3 | 5) { across } else { 0.0 };
            }
        }
        self.shafts.diagonal(out);
    }
}

fn add(out: &mut Node, value: Vec3) {
    out[0] += value.x;
    out[1] += value.y;
    out[2] += value.z;
}

/// Area of the surface around each node, m²: a third of each face.
pub(super) fn nodal_areas(surface: &Surface, rest: &[Vec3]) -> Vec<f32> {
    let mut areas = vec![0.0; rest.len()];
    for face in &surface.faces {
        let [a, b, c] = face.map(|v| rest[v as usize]);
        let share = (b - a).cross(c - a).length() / 6.0;
        face.iter().for_each(|&v| areas[v as usize] += share);
    }
    areas
}

impl SoftBody {
    /// Ties a band to the body as it is now.
    ///
    /// # Errors
    /// [`BodyError::Band`] where it names no node of the surface or a measure is not positive; nothing is changed then.
    pub fn attach(&mut self, band: Band) -> Result<(), BodyError> {
        let refuse = |why: &'static str| Err(BodyError::Band { name: band.name.clone(), why });
        let sound = |value: f32| value.is_finite() && value > 0.0;
        if ![band.length_m, band.stiffness_n_m, band.strength_n].into_iter().all(sound) {
            return refuse("length, stiffness and strength must be positive");
        }
        let Some(toward) = band.toward.try_normalize() else { return refuse("its direction has no length") };
        let mut nodes = band.nodes.clone();
        nodes.sort_unstable();
        nodes.dedup();
        let areas = nodal_areas(&self.surface, &self.rest);
        let area = |v: u32| areas.get(v as usize).copied().unwrap_or(0.0);
        nodes.retain(|&v| area(v) > 0.0);
        let total: f32 = nodes.iter().map(|&v| area(v)).sum();
        if nodes.is_empty() {
            return refuse("it holds no node of the surface");
        }
        if self.bands.of.len() >= usize::from(u16::MAX) {
            return refuse("there are too many bands");
        }
        let number = self.bands.of.len() as u16;
        self.bands.of.push((band.name, band.strength_n));
        for v in nodes {
            let share = area(v) / total;
            self.bands.fibres.push(Fibre {
                band: number,
                node: v,
                end: self.positions[v as usize] + toward * band.length_m,
                length_m: band.length_m,
                stiffness_n_m: band.stiffness_n_m * share,
                strength_n: band.strength_n * share,
            });
        }
        self.renew_pieces();
        Ok(())
    }

    /// The fibres that still hold: the name of their band, the node, where they end and what share of their strength they bear.
    pub fn fibres(&self) -> impl Iterator<Item = (&str, u32, Vec3, f32)> {
        self.bands.fibres.iter().map(|fibre| {
            let load = fibre.pull_n(self.positions[fibre.node as usize]) / fibre.strength_n;
            (self.bands.of[usize::from(fibre.band)].0.as_str(), fibre.node, fibre.end, load)
        })
    }

    /// Lets the fibres break that bear more than they can, after a step.
    pub fn give_way(&mut self) -> Vec<BandLoss> {
        let positions = &self.positions;
        let breaks: Vec<bool> =
            self.bands.fibres.iter().map(|fibre| fibre.pull_n(positions[fibre.node as usize]) > fibre.strength_n).collect();
        self.lose(&breaks, false)
    }

    /// Divides the fibres that a blade passes through.
    pub(super) fn divide(&mut self, blade: &Blade) -> Vec<BandLoss> {
        let positions = &self.positions;
        let passes = |fibre: &Fibre| {
            let from = positions[fibre.node as usize];
            let (low, high) = (blade.height(from), blade.height(fibre.end));
            low * high < 0.0 && blade.covers(from.lerp(fibre.end, low / (low - high)), 0.0)
        };
        let breaks: Vec<bool> = self.bands.fibres.iter().map(passes).collect();
        self.lose(&breaks, true)
    }

    /// Drops the fibres of nodes that are no longer solved for.
    pub(super) fn drop_fibres(&mut self, nodes: &[u32]) {
        self.bands.fibres.retain(|fibre| nodes.binary_search(&fibre.node).is_err());
    }

    fn lose(&mut self, breaks: &[bool], divided: bool) -> Vec<BandLoss> {
        if !breaks.contains(&true) {
            return Vec::new();
        }
        let mut losses = Vec::new();
        for (band, (name, strength_n)) in self.bands.of.iter().enumerate() {
            let own = |(fibre, _): &(&Fibre, &bool)| usize::from(fibre.band) == band;
            let at = |fibre: &Fibre| self.positions[fibre.node as usize];
            let (mut fibres, mut left, mut pull_n, mut place) = (0, 0.0, 0.0, Vec3::ZERO);
            for (fibre, &is_lost) in self.bands.fibres.iter().zip(breaks).filter(own) {
                pull_n += fibre.pull_n(at(fibre));
                if is_lost {
                    (fibres, place) = (fibres + 1, place + at(fibre));
                } else {
                    left += fibre.strength_n / strength_n;
                }
            }
            if fibres > 0 {
                let place = place / fibres as f32;
                losses.push(BandLoss { name: name.clone(), divided, fibres, left, pull_n, place });
            }
        }
        let mut index = 0;
        self.bands.fibres.retain(|_| {
            index += 1;
            !breaks[index - 1]
        });
        self.renew_pieces();
        losses
    }

    /// What holds each node: pins and fibres.
    pub(super) fn is_held(&self) -> Vec<bool> {
        let mut held = self.is_pinned.clone();
        self.bands.fibres.iter().for_each(|fibre| held[fibre.node as usize] = true);
        held
    }

    fn renew_pieces(&mut self) {
        self.pieces = find_pieces(&self.tets, self.rest.len(), &self.is_held());
    }

    /// Fibres and needles of this tick.
    pub(super) fn add_ties(&self, ties: &mut Ties) {
        ties.list.clear();
        ties.list.extend(self.bands.fibres.iter().map(|fibre| Tie {
            node: fibre.node,
            arm: self.positions[fibre.node as usize] - fibre.end,
            length_m: fibre.length_m,
            stiffness: fibre.stiffness_n_m,
        }));
        self.add_shafts(&mut ties.shafts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tolerance: central differences over 1e-4 m of energies of 1e-3 J in `f32` leave 2e-3 N.
    #[test]
    fn a_fibres_pull_is_the_slope_of_its_energy_and_nothing_when_slack() {
        let tie = |arm: Vec3| Tie { node: 0, arm, length_m: 0.02, stiffness: 400.0 };
        let mut ties = Ties { list: vec![tie(Vec3::new(0.02, 0.01, 0.0)), tie(Vec3::new(0.0, 0.01, 0.0))], ..Ties::default() };
        let moved = vec![[1e-3, 2e-3, -1e-3, 0.0]];
        let mut gradient = vec![[0.0; 4]];
        ties.gradient(&moved, &mut gradient);
        assert_eq!(ties.state[1].1, 0.0);
        for axis in 0..3 {
            let energy = |by: f32| {
                let mut nudged = moved.clone();
                nudged[0][axis] += by;
                ties.energy(&nudged)
            };
            let slope = (energy(1e-4) - energy(-1e-4)) / 2e-4;
            assert!((slope - f64::from(gradient[0][axis])).abs() < 2e-3, "{slope} {}", gradient[0][axis]);
        }
    }
}
