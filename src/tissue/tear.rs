//! Tearing: a crack grows where the energy that it sets free pays for its surface, and begins where strength and energy both give way.
//!
//! ```text
//! G = 1/L ∫ (Dᵀ P − ψ I) : (t ⊗ ∇w) dV        L = ∫ w ds along the front        grows where G ≥ G_c
//! ```
//! The front of a crack is where its two sides still hang together. Around each node of it, w falls from one to zero within a few elements and t
//! points into whole tissue, along the crack; the integral is the energy set free per area of advance (Shih, Moran & Nakamura, “Energy release
//! rate along a three-dimensional crack front”, Int J Fracture 1986; finite strain: Gurtin, “On the energy release rate in quasistatic elastic
//! crack propagation”, J Elasticity 1979). It looks at a ring around the front and not at the stress in it, which grows without bound as elements shrink,
//! so the load at which tissue tears does not depend on the mesh. The crack advances by about an element, across the largest principal stress
//! (Erdogan & Sih 1963), along the cutter's plane snip: elements are split, not removed, and no face of the mesh is preferred. Where tissue of
//! different toughness lies ahead it turns to where energy pays best: by θ out of that plane it gets G cos⁴(θ/2) (Nuismer, “An energy release rate
//! criterion for mixed mode fracture”, Int J Fracture 1975, of a pure opening crack) and pays the G_c of what lies there.
//!
//! Whole tissue begins to tear where both hold: the largest principal stress, in the mean over the crack that would form, reaches the tissue's
//! strength, and a crack of that length sets its energy free (Leguillon, “Strength or toughness?”, Eur J Mech A 2002; length by the edge crack of
//! Lindley, “Energy for crack growth in model rubber components”, J Strain Anal 1972: G = 2 k ψ a with k = 3/√λ).
//!
//! Limits: quasi-static G of the elastic part (no inertia, viscosity or membrane in the ring, and each element's own change of volume); one snip a tick, so a crack runs at one element a tick at most; what is set free beyond
//! G_c becomes motion.

#![expect(clippy::needless_range_loop, reason = "an index here names a corner or an axis of several arrays at once")]

use std::collections::BTreeMap;

use glam::{DMat3, DVec3, Vec3};

use super::body::{BodyError, SoftBody};
use super::cut::{BladeSweep, Least};
use super::fibre;
use super::material::Deformation;
use super::second_invariant;
use super::surface::FaceKind;
use super::terms::vec3;

/// What it takes to tear a tissue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tearing {
    /// G_c: energy for each unit of crack area, counted once for its two sides, J/m².
    pub toughness_j_m2: f32,
    /// Principal (Cauchy) stress without which no tear begins in whole tissue, Pa.
    pub strength_pa: f32,
}

/// One advance of a tear.
#[derive(Debug, Clone, PartialEq)]
pub struct Tear {
    /// It began in whole tissue.
    pub began: bool,
    /// At rest, one side, m².
    pub area_m2: f32,
    /// Work of fracture: area times toughness, J.
    pub energy_j: f32,
    /// What was there to drive it: G, J/m², at a front, or the stress, Pa, where it began.
    pub drive: f32,
    /// The limit that it passed, in the same unit.
    pub limit: f32,
    /// In the world, m.
    pub place: Vec3,
    /// The same at rest, m.
    pub rest: Vec3,
    /// Pieces that the body now consists of.
    pub pieces: usize,
}

/// Outer radius of the ring around a front node, in mean edges; w is one within half of it.
const RING: f32 = 3.0;
/// A crack advances by so many mean edges at once.
const ADVANCE: f32 = 1.2;
/// Principal stresses are averaged within so many mean edges of the front.
const NEAR: f32 = 1.5;
/// A front whose G is above this share of G_c is looked at in every tick, others in every [`SELDOM`].
const AWAKE: f32 = 0.5;
const SELDOM: u32 = 6;
/// A snip that parts nothing is tried again, longer by half, so many times.
const TRIES: u32 = 4;
/// A front node is advanced from so many times: where the mesh lets a snip part next to nothing, more would only crumble it.
const MOST_SNIPS: u8 = 3;
/// Cracks that would have to be longer than this many mean edges do not begin.
const LONGEST_START: f32 = 4.0;

/// Turns that a front may take out of the plane across the largest stress, in degrees.
const TURNS_DEG: [f32; 9] = [0.0, 10.0, -10.0, 20.0, -20.0, 35.0, -35.0, 50.0, -50.0];

/// A way that a front may take.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// cos and sin of θ.
    turn: (f32, f32),
    /// Share of G that it gets: cos⁴(θ/2).
    gets: f32,
    /// G_c of what lies there, J/m².
    toughness: f32,
}

/// A place where a crack ends and may go on.
#[derive(Debug, Clone)]
struct FrontNode {
    node: u32,
    /// Into whole tissue along the crack, and along the front, at rest, unit.
    ahead: Vec3,
    along: Vec3,
    /// ∫ w ds, m.
    length_m: f32,
    /// Straight on, and where toughness differs the turns too.
    ways: Vec<Way>,
    /// Number in [`Tears::near`], ∇w (1/m), and the weight of the element's stress.
    ring: Vec<(u32, Vec3, f32)>,
}

/// What a body knows of its tears.
#[derive(Debug, Clone, Default)]
pub(super) struct Tears {
    /// By material.
    rules: Vec<Option<Tearing>>,
    fronts: Vec<FrontNode>,
    /// Elements in any ring.
    near: Vec<u32>,
    /// Of the surface that `fronts` was made from.
    revision: Option<u64>,
    rest_ticks: u32,
    tries: u32,
    /// How often a tear was advanced from a place at rest.
    snips: BTreeMap<[u32; 3], u8>,
}

/// State of one element, in double precision: ψ (J/m³), Dᵀ P and σ (Pa).
struct State {
    energy: f64,
    pull: DMat3,
    stress: DMat3,
    gradient: DMat3,
}

impl SoftBody {
    /// Lets the tissue of each material tear; `None`, and materials past the end, do not. Until then nothing tears.
    ///
    /// # Errors
    /// [`BodyError::Tearing`] where a toughness or strength is not positive; nothing is changed then.
    pub fn set_tearing(&mut self, of_materials: &[Option<Tearing>]) -> Result<(), BodyError> {
        let sound = |value: f32| value.is_finite() && value > 0.0;
        let is_bad = |rule: &Option<Tearing>| rule.is_some_and(|rule| !sound(rule.toughness_j_m2) || !sound(rule.strength_pa));
        if let Some(material) = of_materials.iter().position(is_bad) {
            return Err(BodyError::Tearing { material });
        }
        self.tears = Tears { rules: of_materials.to_vec(), ..Tears::default() };
        Ok(())
    }

    /// Lets the body tear where it is overloaded, after a step. At most one advance each call; the mesh changes as by a cut.
    pub fn tear(&mut self) -> Option<Tear> {
        if self.tears.rules.iter().all(Option::is_none) {
            return None;
        }
        let mut tears = std::mem::take(&mut self.tears);
        if tears.revision != Some(self.surface.revision) {
            self.find_fronts(&mut tears);
        }
        let torn = if tears.rest_ticks > 0 {
            tears.rest_ticks -= 1;
            None
        } else {
            self.advance(&mut tears).or_else(|| self.begin(&mut tears))
        };
        self.tears = tears;
        torn
    }

    fn tearing(&self, tears: &Tears, tet: u32) -> Option<Tearing> {
        tears.rules.get(usize::from(self.tet_material[tet as usize])).copied().flatten()
    }

    /// Edges where the two sides of a cut still hang together: pairs of faces at one place that share two nodes, with the direction onwards.
    fn front_edges(&self, tears: &Tears) -> Vec<([u32; 2], Vec3, f32)> {
        let surface = &self.surface;
        let bits = |v: u32| self.place_of(v);
        let mut placed: Vec<([[u32; 3]; 3], usize)> = (0..surface.faces.len())
            .filter(|&face| surface.kinds[face] == FaceKind::Cut)
            .map(|face| {
                let mut key = surface.faces[face].map(bits);
                key.sort_unstable();
                (key, face)
            })
            .collect();
        placed.sort_unstable();
        let mut edges = Vec::new();
        for pair in placed.chunk_by(|a, b| a.0 == b.0).filter(|pair| pair.len() == 2) {
            let [one, other] = [pair[0].1, pair[1].1];
            let (face, twin) = (surface.faces[one], surface.faces[other]);
            let shared: Vec<u32> = face.iter().copied().filter(|v| twin.contains(v)).collect();
            let third = face.iter().copied().find(|v| !twin.contains(v));
            let (&[a, b], Some(c)) = (&shared[..], third) else { continue };
            let rules = [one, other].map(|face| self.tearing(tears, surface.owners[face]));
            let [Some(rule), Some(twin_rule)] = rules else { continue };
            let [xa, xb, xc] = [a, b, c].map(|v| self.rest[v as usize]);
            let along = (xb - xa).normalize_or_zero();
            let arm = xa - xc;
            if let Some(ahead) = (arm - along * arm.dot(along)).try_normalize() {
                edges.push(([a.min(b), a.max(b)], ahead, 0.5 * (rule.toughness_j_m2 + twin_rule.toughness_j_m2)));
            }
        }
        edges.sort_by_key(|edge| edge.0);
        edges
    }

    /// Finds the fronts and what does not change until the next cut.
    fn find_fronts(&self, tears: &mut Tears) {
        let edges = self.front_edges(tears);
        let (rules, snips) = (std::mem::take(&mut tears.rules), std::mem::take(&mut tears.snips));
        *tears = Tears { rules, snips, revision: Some(self.surface.revision), ..Tears::default() };
        let at = |v: u32| self.rest[v as usize];
        let mut nodes: BTreeMap<u32, (Vec3, Vec3, f32, f32)> = BTreeMap::new();
        for &([a, b], ahead, toughness) in &edges {
            let length = at(a).distance(at(b));
            for (v, other) in [(a, b), (b, a)] {
                let entry = nodes.entry(v).or_default();
                let mut arm = at(other) - at(v);
                if arm.dot(entry.1) < 0.0 {
                    arm = -arm;
                }
                entry.0 += ahead * length;
                entry.1 += arm;
                entry.2 += length;
                entry.3 += toughness * length;
            }
        }
        let reach = RING * self.mean_edge_m;
        let weight = |x: Vec3, centre: Vec3| (2.0 - 2.0 * x.distance(centre) / reach).clamp(0.0, 1.0);
        // fronts in a grid of boxes as large as a ring
        let cell = |x: Vec3| (x / reach).floor().as_ivec3().to_array();
        let mut cells: BTreeMap<[i32; 3], Vec<u32>> = BTreeMap::new();
        for &v in nodes.keys() {
            cells.entry(cell(at(v))).or_default().push(v);
        }
        // the fronts within reach of each node: few nodes have any, and none outside the fronts' box
        let (low, high) = nodes.keys().fold((Vec3::MAX, Vec3::MIN), |(low, high), &v| (low.min(at(v)), high.max(at(v))));
        let mut fronts_of: Vec<Vec<u32>> = vec![Vec::new(); self.rest.len()];
        for (x, fronts) in self.rest.iter().zip(&mut fronts_of) {
            if x.cmplt(low - reach).any() || x.cmpgt(high + reach).any() {
                continue;
            }
            let [i, j, k] = cell(*x);
            for neighbour in 0..27 {
                let key = [i + neighbour % 3 - 1, j + neighbour / 3 % 3 - 1, k + neighbour / 9 - 1];
                let near = cells.get(&key).into_iter().flatten();
                fronts.extend(near.filter(|&&v| x.distance_squared(at(v)) < reach * reach));
            }
        }
        let mut rings: BTreeMap<u32, Vec<(u32, Vec3, f32)>> = BTreeMap::new();
        for (tet, corners) in (0u32..).zip(&self.tets) {
            let mut fronts: Vec<u32> = corners.iter().flat_map(|&v| &fronts_of[v as usize]).copied().collect();
            fronts.sort_unstable();
            fronts.dedup();
            let x = corners.map(at);
            let centre = (x[0] + x[1] + x[2] + x[3]) * 0.25;
            let mut is_near = false;
            for v in fronts {
                let w = x.map(|x| weight(x, at(v)));
                let shape = &self.shapes[tet as usize];
                let gradient = (0..3).map(|k| Vec3::from(shape.gradients[k]) * (w[k + 1] - w[0])).sum::<Vec3>();
                let arm = centre - at(v);
                let is_ahead = arm.dot(nodes[&v].0) > -0.2 * self.mean_edge_m * nodes[&v].0.length();
                let share = if is_ahead { (1.0 - arm.length() / (NEAR * self.mean_edge_m)).max(0.0) } else { 0.0 };
                // inside the ring and behind the front an element says nothing
                if gradient != Vec3::ZERO || share > 0.0 {
                    rings.entry(v).or_default().push((tears.near.len() as u32, gradient, share));
                    is_near = true;
                }
            }
            if is_near {
                tears.near.push(tet);
            }
        }
        let differs = tears.rules.windows(2).any(|pair| pair[0] != pair[1]);
        for (&node, &(ahead, along, length, toughness)) in &nodes {
            let (Some(ahead), Some(along)) = (ahead.try_normalize(), along.try_normalize()) else { continue };
            let centre = at(node);
            let mut length_m = 0.0;
            for &([a, b], edge_ahead, _) in &edges {
                let [w, v] = [a, b].map(|v| weight(at(v), centre));
                if w + v > 0.0 {
                    length_m += 0.5 * (w + v) * at(a).distance(at(b)) * edge_ahead.dot(ahead).max(0.0);
                }
            }
            let ring = rings.remove(&node).unwrap_or_default();
            let is_spent = tears.snips.get(&self.place_of(node)).is_some_and(|&snips| snips >= MOST_SNIPS);
            if length_m > 0.0 && !ring.is_empty() && !is_spent {
                let straight = Way { turn: (1.0, 0.0), gets: 1.0, toughness: toughness / length };
                let ways = if differs { self.ways(tears, centre, ahead, along, &ring) } else { vec![straight] };
                tears.fronts.push(FrontNode { node, ahead, along, length_m, ways, ring });
            }
        }
    }

    /// A node's place at rest, which copies of it share.
    fn place_of(&self, node: u32) -> [u32; 3] {
        self.rest[node as usize].to_array().map(f32::to_bits)
    }

    /// The ways that are open to a front at `centre`, all at rest: what lies along each is looked for among the elements around it.
    fn ways(&self, tears: &Tears, centre: Vec3, ahead: Vec3, along: Vec3, ring: &[(u32, Vec3, f32)]) -> Vec<Way> {
        let up = along.cross(ahead).normalize_or_zero();
        let near: Vec<u32> = ring.iter().filter(|part| part.2 > 0.0).map(|part| tears.near[part.0 as usize]).collect();
        let toughness_at = |x: Vec3| {
            let least = |tet: u32| self.weights_in(tet as usize, x).into_iter().fold(f32::INFINITY, f32::min);
            let tet = near.iter().copied().max_by(|&a, &b| least(a).total_cmp(&least(b)).then(b.cmp(&a)))?;
            // what does not tear stops it
            (least(tet) > -0.1).then(|| self.tearing(tears, tet).map_or(f32::INFINITY, |rule| rule.toughness_j_m2))
        };
        let way = |degrees: f32| {
            let turn = (libm::cosf(degrees.to_radians()), libm::sinf(degrees.to_radians()));
            let half = libm::cosf(0.5 * degrees.to_radians());
            let onward = ahead * turn.0 + up * turn.1;
            let samples =
                [0.25, 0.5, 0.75, 1.0].map(|share| toughness_at(centre + onward * (share * ADVANCE * self.mean_edge_m)));
            let inside: Vec<f32> = samples.into_iter().flatten().collect();
            let toughness = inside.iter().sum::<f32>() / inside.len() as f32;
            (!inside.is_empty()).then_some(Way { turn, gets: half.powi(4), toughness })
        };
        TURNS_DEG.into_iter().filter_map(way).collect()
    }

    fn state(&self, tet: u32) -> State {
        let tet = tet as usize;
        let u = self.tets[tet].map(|v| vec3(self.u[v as usize]).as_dvec3());
        let gradients = self.shapes[tet].gradients.map(|g| Vec3::from(g).as_dvec3());
        // D = Σ u ⊗ ∇N, by rows
        let mut d = [[0.0f64; 3]; 3];
        for k in 0..3 {
            let (du, g) = ((u[k + 1] - u[0]).to_array(), gradients[k].to_array());
            for i in 0..3 {
                for j in 0..3 {
                    d[i][j] += du[i] * g[j];
                }
            }
        }
        let (mu, lambda_mu) = self.material(tet).moduli();
        let firmness = self.firmness(tet);
        let material = usize::from(self.tet_material[tet]);
        let tissue = self.responses.of(tet, material, (firmness * mu, firmness * lambda_mu), self.capsule[tet]);
        let (mu, lambda_mu, second) = (f64::from(tissue.mu), f64::from(tissue.lambda_mu), f64::from(tissue.second));
        let here = Deformation::new(d);
        let matrix = |rows: [[f64; 3]; 3]| DMat3::from_cols_array_2d(&rows).transpose();
        let (mut p, f) = (matrix(here.stress(mu, lambda_mu)), matrix(here.gradient()));
        let mut energy = here.energy(mu, lambda_mu);
        if second > 0.0 {
            energy += second * second_invariant::energy(&here);
            p += matrix(second_invariant::stress(&here)) * second;
        }
        if let Some((along, k1, k2)) = tissue.fibre {
            let along = Vec3::from(along).as_dvec3();
            let stretched = f * along;
            let (stored, slope, _) = fibre::response((stretched.length_squared() - 1.0) as f32, k2);
            energy += f64::from(k1 * stored);
            p += DMat3::from_cols(stretched * along.x, stretched * along.y, stretched * along.z) * f64::from(2.0 * k1 * slope);
        }
        let j = f.determinant().max(0.05);
        State { energy, pull: matrix(d).transpose() * p, stress: p * f.transpose() * (1.0 / j), gradient: f }
    }

    /// Advances the front that is driven most, if any is driven enough.
    fn advance(&mut self, tears: &mut Tears) -> Option<Tear> {
        if tears.fronts.is_empty() {
            tears.rest_ticks = SELDOM;
            return None;
        }
        let states: Vec<State> = tears.near.iter().map(|&tet| self.state(tet)).collect();
        let drives: Vec<f32> = tears
            .fronts
            .iter()
            .map(|front| {
                let ahead = front.ahead.as_dvec3();
                let mut sum = 0.0;
                for &(near, gradient, _) in &front.ring {
                    let state = &states[near as usize];
                    let volume = f64::from(self.shapes[tears.near[near as usize] as usize].volume);
                    // (Dᵀ P − ψ I) : (t ⊗ ∇w) = tᵀ (Dᵀ P) ∇w − ψ t·∇w
                    let gradient = gradient.as_dvec3();
                    sum += volume * (ahead.dot(state.pull * gradient) - state.energy * ahead.dot(gradient));
                }
                (sum / f64::from(front.length_m)) as f32
            })
            .collect();
        let pays = |index: usize, way: &Way| drives[index] * way.gets / way.toughness;
        let best = |index: usize| {
            let ways = tears.fronts[index].ways.iter();
            ways.copied().reduce(|best, way| if pays(index, &way) > pays(index, &best) { way } else { best })
        };
        let share = |index: usize| best(index).map_or(0.0, |way| pays(index, &way));
        let worst = (0..drives.len()).max_by(|&a, &b| share(a).total_cmp(&share(b)).then(b.cmp(&a)))?;
        if share(worst) < 1.0 {
            tears.rest_ticks = if share(worst) > AWAKE { 0 } else { SELDOM };
            return None;
        }
        let (front, taken) = (tears.fronts[worst].clone(), best(worst)?);
        let centre = self.positions[front.node as usize];
        let edge = self.mean_edge_m;
        // the plane: across the largest principal stress ahead of the front, through the front
        let (mut stress, mut deformed, mut total) = (DMat3::ZERO, DMat3::ZERO, 0.0f64);
        for &(near, _, share) in front.ring.iter().filter(|part| part.2 > 0.0) {
            let weight = f64::from(self.shapes[tears.near[near as usize] as usize].volume * share);
            stress += states[near as usize].stress * weight;
            deformed += states[near as usize].gradient * weight;
            total += weight;
        }
        let normal = principal(stress)?.1.as_vec3();
        let deformed = if total > 0.0 { deformed * (1.0 / total) } else { DMat3::IDENTITY };
        let (onward, along) = ((deformed * front.ahead.as_dvec3()).as_vec3(), (deformed * front.along.as_dvec3()).as_vec3());
        let across = |v: Vec3| (v - normal * v.dot(normal)).try_normalize();
        let along = across(along)?;
        let ahead = normal.cross(along);
        let ahead = if ahead.dot(onward) < 0.0 { -ahead } else { ahead };
        let (ahead, normal, onward) = if taken.turn.1 == 0.0 {
            (ahead, normal, onward)
        } else {
            let up = front.along.cross(front.ahead).normalize_or_zero();
            let way = (deformed * (front.ahead * taken.turn.0 + up * taken.turn.1).as_dvec3()).as_vec3();
            let ahead = (way - along * way.dot(along)).try_normalize()?;
            (ahead, along.cross(ahead), way)
        };
        // neighbours along the front that are driven enough go with it
        let (mut low, mut high) = (0.0f32, 0.0f32);
        for (index, other) in tears.fronts.iter().enumerate() {
            let arm = self.positions[other.node as usize] - centre;
            let beside = arm.dot(along);
            let with = arm.dot(normal).abs() < 0.35 * edge && arm.dot(ahead).abs() < 0.5 * edge && beside.abs() < 2.5 * edge;
            if with && share(index) >= 1.0 {
                (low, high) = (low.min(beside), high.max(beside));
            }
        }
        let way = (ADVANCE + 0.5 * tears.tries as f32) * edge * onward.dot(ahead).max(0.5);
        let (low, high) = (along * (low - 0.6 * edge), along * (high + 0.6 * edge));
        let (back, front_end) = (centre - ahead * (0.1 * edge), centre + ahead * way);
        let polygon = vec![back + low, back + high, front_end + high, front_end + low];
        let rest = self.rest[front.node as usize];
        *tears.snips.entry(self.place_of(front.node)).or_default() += 1;
        self.snip(tears, polygon, Some((drives[worst] * taken.gets, taken.toughness)), (centre, rest))
    }

    fn snip(
        &mut self,
        tears: &mut Tears,
        polygon: Vec<Vec3>,
        drive: Option<(f32, f32)>,
        (place, rest): (Vec3, Vec3),
    ) -> Option<Tear> {
        let report = self.part_along(&BladeSweep { polygon }, Least::OF_A_TEAR);
        if report.opened.is_empty() {
            tears.tries += 1;
            let tries = tears.tries;
            if self.surface.revision != tears.revision.unwrap_or_default() {
                self.find_fronts(tears);
                tears.tries = tries;
            }
            if tries >= TRIES {
                // nothing parts here as the mesh is: let it be for a while
                (tears.tries, tears.rest_ticks) = (0, 5 * SELDOM);
            }
            return None;
        }
        tears.tries = 0;
        let toughness: f32 = {
            let rules: Vec<f32> = report
                .materials
                .iter()
                .filter_map(|&material| tears.rules.get(usize::from(material)).copied().flatten())
                .map(|rule| rule.toughness_j_m2)
                .collect();
            rules.iter().sum::<f32>() / rules.len().max(1) as f32
        };
        let (drive, limit) = drive.unwrap_or_default();
        let (area_m2, energy_j, pieces) = (report.area_m2, report.area_m2 * toughness, report.pieces);
        Some(Tear { began: false, area_m2, energy_j, drive, limit, place, rest, pieces })
    }

    /// Begins a crack in whole tissue, where stress and energy both suffice.
    fn begin(&mut self, tears: &mut Tears) -> Option<Tear> {
        let weakest = tears.rules.iter().flatten().map(|rule| rule.strength_pa).fold(f32::INFINITY, f32::min);
        // the von Mises stress, which is at hand, is at least the largest principal one less the next: a first sieve
        let hot: Vec<u32> =
            (0u32..).zip(&self.stress).filter(|(_, stress)| **stress >= 0.5 * weakest).map(|(tet, _)| tet).collect();
        if hot.is_empty() {
            return None;
        }
        let states: BTreeMap<u32, State> = hot.iter().map(|&tet| (tet, self.state(tet))).collect();
        let centre = |tet: u32| self.rest_centre(tet as usize);
        let mut best: Option<(f32, u32, Vec3, f32, Tearing)> = None;
        for (&tet, state) in &states {
            let Some(rule) = self.tearing(tears, tet) else { continue };
            let Some((stress, _)) = principal(state.stress) else { continue };
            if (stress as f32) < rule.strength_pa || best.as_ref().is_some_and(|best| best.0 >= stress as f32) {
                continue;
            }
            if let Some((normal, length)) = self.start_of(&states, centre(tet), rule) {
                best = Some((stress as f32, tet, normal, length, rule));
            }
        }
        let (stress, tet, normal, length, rule) = best?;
        let place = self.tets[tet as usize].iter().map(|&v| self.positions[v as usize]).sum::<Vec3>() * 0.25;
        let (a, b) = (normal.any_orthonormal_vector() * length, normal.cross(normal.any_orthonormal_vector()) * length);
        let s = std::f32::consts::FRAC_1_SQRT_2;
        let polygon: Vec<Vec3> = [(1.0, 0.0), (s, s), (0.0, 1.0), (-s, s), (-1.0, 0.0), (-s, -s), (0.0, -1.0), (s, -s)]
            .map(|(x, y): (f32, f32)| place + a * x + b * y)
            .to_vec();
        let rest = centre(tet);
        let torn = self.snip(tears, polygon, Some((stress, rule.strength_pa)), (place, rest))?;
        Some(Tear { began: true, ..torn })
    }

    /// Whether a crack may begin around `rest`: its plane's normal in the world and its length, m.
    fn start_of(&self, states: &BTreeMap<u32, State>, rest: Vec3, rule: Tearing) -> Option<(Vec3, f32)> {
        let edge = self.mean_edge_m;
        let mean = |radius: f32| {
            let (mut stress, mut energy, mut stretch, mut volume) = (DMat3::ZERO, 0.0, DMat3::ZERO, 0.0);
            for tet in 0..self.tets.len() as u32 {
                if self.rest_centre(tet as usize).distance_squared(rest) > radius * radius {
                    continue;
                }
                let own;
                let state = match states.get(&tet) {
                    Some(state) => state,
                    None => {
                        own = self.state(tet);
                        &own
                    }
                };
                let share = f64::from(self.shapes[tet as usize].volume);
                stress += state.stress * share;
                energy += state.energy * share;
                stretch += state.gradient * state.gradient.transpose() * share;
                volume += share;
            }
            (volume > 0.0).then(|| (stress * (1.0 / volume), energy / volume, stretch * (1.0 / volume)))
        };
        let (_, energy, stretch) = mean(edge)?;
        let stretch = principal(stretch)?.0.max(1.0).sqrt();
        let factor = 3.0 / stretch.sqrt();
        let needed = (f64::from(rule.toughness_j_m2) / (2.0 * factor * energy.max(1e-12))) as f32;
        if needed > LONGEST_START * edge {
            return None;
        }
        let length = needed.max(edge);
        let (largest, normal) = principal(mean(length)?.0)?;
        (largest as f32 >= rule.strength_pa).then(|| (normal.as_vec3(), length * stretch.sqrt() as f32))
    }
}

/// Largest principal stretch of an element; `None` where it is not finite.
pub(super) fn largest_stretch(body: &SoftBody, tet: usize) -> Option<f64> {
    let f = body.state(tet as u32).gradient;
    principal(f * f.transpose()).map(|(square, _)| square.max(0.0).sqrt())
}

/// Largest eigenvalue of a symmetric matrix and its unit eigenvector, by Jacobi's rotations; `None` where it is not finite.
fn principal(matrix: DMat3) -> Option<(f64, DVec3)> {
    let mut a = matrix.to_cols_array_2d();
    let mut v = DMat3::IDENTITY.to_cols_array_2d(); // columns are eigenvectors
    for _ in 0..8 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q] == 0.0 {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let c = 1.0 / (t * t + 1.0).sqrt();
            let s = t * c;
            for row in &mut a {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
            for k in 0..3 {
                (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
            }
            for k in 0..3 {
                (v[p][k], v[q][k]) = (c * v[p][k] - s * v[q][k], s * v[p][k] + c * v[q][k]);
            }
        }
    }
    let largest = (0..3).max_by(|&i, &j| a[i][i].total_cmp(&a[j][j]).then(j.cmp(&i)))?;
    let vector = DVec3::from(v[largest]);
    (a[largest][largest].is_finite() && vector.is_finite()).then(|| (a[largest][largest], vector.normalize_or_zero()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Tolerance: rounding in double precision of entries up to 1.
        #[test]
        fn the_principal_direction_is_an_eigenvector_with_the_largest_value(e in prop::array::uniform6(-1.0f64..1.0)) {
            let a = DMat3::from_cols_array(&[e[0], e[1], e[2], e[1], e[3], e[4], e[2], e[4], e[5]]);
            let (value, vector) = principal(a).expect("finite");
            prop_assert!((a * vector - vector * value).length() < 1e-9);
            let matrix = nalgebra::Matrix3::from_row_slice(&a.to_cols_array());
            prop_assert!((matrix.symmetric_eigenvalues().max() - value).abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_not_finite_has_no_principal_direction() {
        assert!(principal(DMat3::from_cols_array(&[f64::NAN; 9])).is_none());
    }
}
