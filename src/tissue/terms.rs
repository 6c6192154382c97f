//! The parts of the potential that act on a few nodes each: contacts with friction, and the springs of a grasp.
//!
//! ```text
//! contact    ½ k ⟨n·x_c − o⟩₊²       x_c = Σ wᵢ xᵢ, frozen n, o, w: convex, and its slope is the reaction force
//! friction   μ N f₀(|u_t|)           u_t the tangential slip of this tick and what was elastic of those before, N from the last linearisation
//! hold       ½ k s² along the jaws' closing; across it the same up to a limit L, then L |s| − L²/2k
//! ```
//! f₀ is the mollified norm of Li et al., “Incremental Potential Contact”, ACM TOG 2020, eq. 14: quadratic below the slip ε, so that a resting
//! contact is quiet, and convex, so that every product here is positive.

use glam::{Mat3, Vec3};

use super::attach::Ties;
use super::elements::Node;
use super::movable::{Movable, Pushing, moves, push};

/// Steps at most in which it is found how far a movable body is pushed, and halvings of each.
const PUSHES: u32 = 8;
/// A push that changes by less than this, m or rad, is found.
const SETTLED_PUSH: f64 = 1e-9;

/// What a point of the tissue may stand against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Against {
    Tool(u8),
    Rigid(u8),
    Floor,
    Tissue,
}

/// One point of the tissue against a tool, the floor or other tissue.
#[derive(Debug, Clone, Copy)]
pub struct Contact {
    pub nodes: [u32; 4],
    /// Of the nodes, to give the point that moves: what is in its way itself, if it is tissue, has negative ones.
    pub weights: [f32; 4],
    /// Unit, from tissue to obstacle.
    pub normal: Vec3,
    /// n·x_c − o at the beginning of the tick, m; positive is too near.
    pub depth_at_start: f32,
    /// N/m.
    pub stiffness: f32,
    /// What the energy is more by than this spring's, J: where it was made it is that of the contact itself.
    pub energy_beside: f32,
    /// μ N, N.
    pub friction: f32,
    /// Elastic slip that sticking has left from the tick before, m.
    pub slip_at_start: Vec3,
    /// Motion of the obstacle's point during the tick, m.
    pub obstacle_motion: Vec3,
    pub against: Against,
    /// The body that gives way there, by its place in the list of them, and the arm from its centre, m.
    pub movable: Option<(usize, Vec3)>,
    /// How far that has given way there, m.
    pub given: Vec3,
}

/// A node held by a tool.
#[derive(Debug, Clone, Copy)]
pub struct Spring {
    pub node: u32,
    /// Where the node stood at the beginning of the tick, from where the tool wants it, m.
    pub offset_at_start: Vec3,
    /// N/m.
    pub stiffness: f32,
    /// The way in which the jaws close, unit.
    pub closing: Vec3,
    /// Friction across it at most, N.
    pub limit_n: f32,
    pub tool: u8,
}

/// All of them, with the stiffness found by the last [`Terms::gradient`].
#[derive(Debug, Clone, Default)]
pub struct Terms {
    pub contacts: Vec<Contact>,
    pub springs: Vec<Spring>,
    pub ties: Ties,
    pub(super) movables: Vec<Movable>,
    /// Slip below which friction is a spring, m.
    pub slip_m: f32,
    state: Vec<Stiffness>,
    /// Of each spring.
    holds: Vec<Stiffness>,
    /// Contacts that do not press yet and are counted in, by their number.
    foreseen: Vec<usize>,
}

/// Stiffness of one contact: along its normal, across it, and what is to be taken from the latter along the slip (an outer product).
#[derive(Debug, Clone, Copy)]
struct Stiffness {
    normal: f32,
    across: f32,
    less: Vec3,
}

impl Stiffness {
    fn times(&self, normal: Vec3, p: Vec3) -> Vec3 {
        normal * (normal.dot(p) * (self.normal - self.across)) + p * self.across - self.less * self.less.dot(p)
    }

    fn matrix(&self, normal: Vec3) -> Mat3 {
        Mat3::from_cols(self.times(normal, Vec3::X), self.times(normal, Vec3::Y), self.times(normal, Vec3::Z))
    }

    /// Its block (xx, xy, xz, yy, yz, zz).
    fn block(&self, normal: Vec3) -> [f32; 6] {
        let outer = |v: Vec3| [v.x * v.x, v.x * v.y, v.x * v.z, v.y * v.y, v.y * v.z, v.z * v.z];
        let (of_normal, of_slip, identity) = (outer(normal), outer(self.less), [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        std::array::from_fn(|k| of_normal[k] * (self.normal - self.across) + identity[k] * self.across - of_slip[k])
    }
}

/// The vector of a padded node.
#[inline(always)]
pub fn vec3(node: Node) -> Vec3 {
    Vec3::new(node[0], node[1], node[2])
}

#[inline(always)]
fn add(out: &mut Node, value: Vec3) {
    out[0] += value.x;
    out[1] += value.y;
    out[2] += value.z;
}

impl Contact {
    /// The nodes' vectors as its point has them.
    #[inline(always)]
    fn blend(&self, vectors: &[Node]) -> Vec3 {
        let [a, b, c, d] = self.nodes.map(|v| vec3(vectors[v as usize]));
        a * self.weights[0] + b * self.weights[1] + c * self.weights[2] + d * self.weights[3]
    }

    /// How far its point has moved against what it meets, as far as that gives way, m.
    #[inline(always)]
    fn at(&self, moved: &[Node]) -> Vec3 {
        self.blend(moved) - self.given
    }

    /// Force that it takes to keep its point there, N, and the stiffness; friction is a spring up to a slip of `slip_m`.
    fn respond(&self, at: Vec3, slip_m: f32) -> (Vec3, Stiffness) {
        let depth = self.depth_at(at);
        let slip = self.slip(at);
        let y = slip.length() / slip_m;
        // f₁(y)/|u|: 2/ε − |u|/ε² below ε, 1/|u| above
        let across = self.friction * if y < 1.0 { (2.0 - y) / slip_m } else { 1.0 / (y * slip_m) };
        // along the slip it is f₀″: 2/ε − 2|u|/ε² below ε, nothing above
        let along = self.friction * (2.0 - 2.0 * y).max(0.0) / slip_m;
        let normal = if depth > 0.0 { self.stiffness } else { 0.0 };
        let less = slip.normalize_or_zero() * (across - along).max(0.0).sqrt();
        (self.normal * (normal * depth) + slip * across, Stiffness { normal, across, less })
    }

    /// Energy with its point there, J.
    fn energy(&self, at: Vec3, slip_m: f32) -> f64 {
        let depth = self.depth_at(at).max(0.0);
        let slip = self.slip(at).length();
        let y = slip / slip_m;
        let mollified = if y < 1.0 { slip_m * (y * y - y * y * y / 3.0 + 1.0 / 3.0) } else { slip };
        f64::from(0.5 * self.stiffness * depth * depth + self.energy_beside + self.friction * mollified)
    }

    fn slip(&self, moved: Vec3) -> Vec3 {
        let relative = self.slip_at_start + moved - self.obstacle_motion;
        relative - self.normal * self.normal.dot(relative)
    }

    fn depth_at(&self, moved: Vec3) -> f32 {
        self.depth_at_start + self.normal.dot(moved)
    }

    /// How far it is too near at the displacements `moved` of this tick, m.
    pub fn depth(&self, moved: &[Node]) -> f32 {
        self.depth_at(self.at(moved))
    }

    fn scatter(&self, force: Vec3, out: &mut [Node]) {
        for (&node, &weight) in self.nodes.iter().zip(&self.weights) {
            add(&mut out[node as usize], force * weight);
        }
    }

    /// Normal force at the displacements `moved` of this tick, N.
    pub fn normal_force(&self, moved: &[Node]) -> f32 {
        self.stiffness * self.depth(moved).max(0.0)
    }
}

impl Spring {
    /// Along the jaws' closing and across it at the displacements `moved` of this tick, m.
    fn stretch(&self, moved: &[Node]) -> (f32, Vec3) {
        let stretch = self.offset_at_start + vec3(moved[self.node as usize]);
        let along = self.closing.dot(stretch);
        (along, stretch - self.closing * along)
    }

    /// Share of the pull across the closing that friction bears.
    fn borne(&self, across: Vec3) -> f32 {
        (self.limit_n / (self.stiffness * across.length()).max(f32::MIN_POSITIVE)).min(1.0)
    }

    /// Pull of the node on the tool, N.
    fn pull(&self, moved: &[Node]) -> Vec3 {
        let (along, across) = self.stretch(moved);
        (self.closing * along + across * self.borne(across)) * self.stiffness
    }

    /// How far the node has slid through the jaws, m.
    pub fn slid(&self, moved: &[Node]) -> Vec3 {
        let (_, across) = self.stretch(moved);
        across * (1.0 - self.borne(across))
    }
}

impl Terms {
    pub fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.springs.is_empty() && self.ties.is_empty()
    }

    /// Energy at the displacements `moved` of this tick, J.
    pub fn energy(&self, moved: &[Node]) -> f64 {
        let mut sum = 0.0f64;
        for contact in &self.contacts {
            sum += contact.energy(contact.at(moved), self.slip_m);
        }
        sum += self.movables.iter().map(Movable::energy).sum::<f64>();
        for spring in &self.springs {
            let (along, across) = spring.stretch(moved);
            let (k, slip, limit) = (spring.stiffness, across.length(), spring.limit_n);
            let held = if k * slip <= limit { 0.5 * k * slip * slip } else { limit * slip - 0.5 * limit * limit / k };
            sum += f64::from(0.5 * k * along * along + held);
        }
        sum + self.ties.energy(moved)
    }

    /// Adds the gradient, N, and keeps the stiffness for the products that follow.
    pub fn gradient(&mut self, moved: &[Node], out: &mut [Node]) {
        self.state.clear();
        self.foreseen.clear();
        self.settle_movables(moved);
        for contact in &self.contacts {
            let (force, stiffness) = contact.respond(contact.at(moved), self.slip_m);
            self.state.push(stiffness);
            contact.scatter(force, out);
        }
        self.holds.clear();
        for spring in &self.springs {
            let (_, across) = spring.stretch(moved);
            // the secant, which majorises: with the slope a node that begins to slide would be sent far through the jaws
            let secant = spring.borne(across) * spring.stiffness;
            self.holds.push(Stiffness { normal: spring.stiffness, across: secant, less: Vec3::ZERO });
            add(&mut out[spring.node as usize], spring.pull(moved));
        }
        self.ties.gradient(moved, out);
    }

    /// Finds how far movable bodies are pushed at `moved`: Newton steps, halved until the potential falls.
    pub fn settle_movables(&mut self, moved: &[Node]) {
        let slip_m = self.slip_m;
        for (index, movable) in self.movables.iter_mut().enumerate() {
            let mut own: Vec<(&mut Contact, Vec3)> = self
                .contacts
                .iter_mut()
                .filter_map(|contact| contact.movable.filter(|(of, _)| *of == index).map(|(_, arm)| (contact, arm)))
                .collect();
            let give = |own: &mut [(&mut Contact, Vec3)], movable: &Movable| {
                own.iter_mut().for_each(|(contact, arm)| contact.given = movable.gives(*arm));
                movable.energy() + own.iter().map(|(contact, _)| contact.energy(contact.at(moved), slip_m)).sum::<f64>()
            };
            let mut energy = give(&mut own, movable);
            for _ in 0..PUSHES {
                let respond = |(contact, arm): &(&mut Contact, Vec3)| {
                    let (force, stiffness) = contact.respond(contact.at(moved), slip_m);
                    Pushing { arm: *arm, force, stiffness: stiffness.matrix(contact.normal) }
                };
                let pushing: Vec<Pushing> = own.iter().map(respond).collect();
                movable.stiffen(&pushing);
                let mut step = movable.answer(&movable.unbalanced(&pushing));
                if step.norm() < SETTLED_PUSH {
                    break;
                }
                let start = movable.pushed;
                for _ in 0..PUSHES {
                    movable.pushed = start + step;
                    let next = give(&mut own, movable);
                    if next <= energy {
                        energy = next;
                        break;
                    }
                    step *= 0.5;
                    movable.pushed = start;
                }
                if movable.pushed == start {
                    give(&mut own, movable);
                    break;
                }
            }
        }
    }

    /// Counts contacts in that do not press yet and that `step` from `moved` would take too near by more than `beyond_m`, for the products and diagonals
    /// that follow; the answer is whether there are any.
    pub fn foresee(&mut self, moved: &[Node], step: &[Node], beyond_m: f32) -> bool {
        let before = self.foreseen.len();
        for (index, (contact, state)) in self.contacts.iter().zip(&mut self.state).enumerate() {
            // what gives way is not run into
            let is_still = state.normal == 0.0 && contact.movable.is_none();
            if is_still && contact.depth(moved) + contact.normal.dot(contact.blend(step)) > beyond_m {
                state.normal = contact.stiffness;
                self.foreseen.push(index);
            }
        }
        self.foreseen.len() > before
    }

    /// Takes from a residual what the contacts that are foreseen would pull until they press, N.
    pub fn pull(&self, moved: &[Node], residual: &mut [Node]) {
        for contact in self.foreseen.iter().map(|&index| &self.contacts[index]) {
            contact.scatter(contact.normal * (-contact.stiffness * contact.depth(moved)), residual);
        }
    }

    /// The nodes that press on something, ascending.
    pub fn pressing(&self) -> Vec<u32> {
        let pressing = self.contacts.iter().zip(&self.state).filter(|(_, state)| state.normal > 0.0);
        let mut nodes: Vec<u32> = pressing.flat_map(|(contact, _)| contact.nodes).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Euclidean norm of what the contacts press with at `moved`, N.
    pub fn pressure(&self, moved: &[Node]) -> f64 {
        self.contacts.iter().map(|contact| f64::from(contact.normal_force(moved)).powi(2)).sum::<f64>().sqrt()
    }

    /// Adds the stiffness times `p`.
    pub fn product(&self, p: &[Node], out: &mut [Node]) {
        for (contact, stiffness) in self.contacts.iter().zip(&self.state) {
            let force = stiffness.times(contact.normal, contact.blend(p));
            contact.scatter(force, out);
        }
        for (index, movable) in self.movables.iter().enumerate() {
            let all = self.contacts.iter().zip(&self.state);
            let own = || all.clone().filter_map(|(c, k)| c.movable.filter(|(of, _)| *of == index).map(|(_, arm)| (c, k, arm)));
            let pushes = own().map(|(contact, k, arm)| push(k.times(contact.normal, contact.blend(p)), arm));
            let gives = movable.answer(&pushes.sum());
            own().for_each(|(contact, k, arm)| contact.scatter(-k.times(contact.normal, moves(&gives, arm)), out));
        }
        for (spring, hold) in self.springs.iter().zip(&self.holds) {
            let node = spring.node as usize;
            add(&mut out[node], hold.times(spring.closing, vec3(p[node])));
        }
        self.ties.product(p, out);
    }

    /// Adds the diagonal blocks (xx, xy, xz, yy, yz, zz) of the stiffness.
    pub fn diagonal(&self, out: &mut [[f32; 6]]) {
        for (contact, stiffness) in self.contacts.iter().zip(&self.state) {
            let block = stiffness.block(contact.normal);
            for (&node, &weight) in contact.nodes.iter().zip(&contact.weights) {
                out[node as usize].iter_mut().zip(block).for_each(|(out, entry)| *out += weight * weight * entry);
            }
        }
        for (spring, hold) in self.springs.iter().zip(&self.holds) {
            out[spring.node as usize].iter_mut().zip(hold.block(spring.closing)).for_each(|(out, entry)| *out += entry);
        }
        self.ties.diagonal(out);
    }

    /// The slip of a contact that is elastic: all while it sticks, and no more than the limit's when it slides, m.
    pub fn elastic_slip(&self, contact: &Contact, moved: &[Node]) -> Vec3 {
        contact.slip(contact.at(moved)).clamp_length_max(self.slip_m)
    }

    /// Force of the tissue on a tool by contact and friction, and by its grasp, N, and the torque of both about `pivot`, N m; `positions` are those of
    /// the nodes at the displacements `moved`.
    pub fn force_on(&self, tool: u8, pivot: Vec3, positions: &[Vec3], moved: &[Node]) -> (Vec3, Vec3, Vec3) {
        let (mut contact_sum, mut grip_sum, mut torque) = (Vec3::ZERO, Vec3::ZERO, Vec3::ZERO);
        for contact in self.contacts.iter().filter(|c| c.against == Against::Tool(tool)) {
            let (force, _) = contact.respond(contact.at(moved), self.slip_m);
            let place: Vec3 = (0..4).map(|k| positions[contact.nodes[k] as usize] * contact.weights[k]).sum();
            contact_sum += force;
            torque += (place - pivot).cross(force);
        }
        for spring in self.springs.iter().filter(|s| s.tool == tool) {
            let force = spring.pull(moved);
            grip_sum += force;
            torque += (positions[spring.node as usize] - pivot).cross(force);
        }
        (contact_sum, grip_sum, torque)
    }

    /// Force of the tissue on a rigid body, N, and its torque about the centre of mass at `centre`, N m.
    pub fn force_on_rigid(&self, number: u8, centre: Vec3, positions: &[Vec3], moved: &[Node]) -> (Vec3, Vec3) {
        let against = self.contacts.iter().filter(|contact| contact.against == Against::Rigid(number));
        against.fold((Vec3::ZERO, Vec3::ZERO), |(sum, torque), contact| {
            let (force, _) = contact.respond(contact.at(moved), self.slip_m);
            let place: Vec3 = (0..4).map(|k| positions[contact.nodes[k] as usize] * contact.weights[k]).sum();
            let arm = contact.movable.map_or(place - centre, |(_, arm)| arm);
            (sum + force, torque + arm.cross(force))
        })
    }

    /// Force of the tissue on the floor, N.
    pub fn force_on_floor(&self, moved: &[Node]) -> Vec3 {
        let floor = self.contacts.iter().filter(|c| c.against == Against::Floor);
        floor.map(|c| c.normal * c.normal_force(moved)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let contact = Contact {
            nodes: [0, 1, 2, 0],
            weights: [0.2, 0.5, 0.3, 0.0],
            normal: Vec3::new(0.6, 0.0, 0.8),
            depth_at_start: 2e-3,
            stiffness: 500.0,
            energy_beside: 0.0,
            friction: 0.3,
            slip_at_start: Vec3::new(0.0, 2e-4, 1e-4),
            obstacle_motion: Vec3::new(1e-3, 0.0, 0.0),
            against: Against::Tool(1),
            movable: None,
            given: Vec3::ZERO,
        };
        let offset_at_start = Vec3::new(0.0, 1e-3, 0.0);
        let spring = Spring { node: 1, offset_at_start, stiffness: 300.0, closing: Vec3::Z, limit_n: 10.0, tool: 2 };
        let sliding = Spring { node: 2, offset_at_start, closing: Vec3::X, limit_n: 0.4, ..spring };
        let on_tissue = Contact { nodes: [1, 0, 2, 2], weights: [1.0, -0.4, -0.35, -0.25], against: Against::Tissue, ..contact };
        Terms { contacts: vec![contact, on_tissue], springs: vec![spring, sliding], slip_m: 1e-3, ..Terms::default() }
    }

    /// Tolerance: central differences over 1e-4 m of energies of 1e-3 J in `f32` leave 1e-3 N.
    #[test]
    fn forces_are_the_slope_of_the_energy() {
        let mut terms = terms();
        let moved = vec![[1e-3, -2e-3, 5e-4, 0.0], [2e-3, 1e-3, 0.0, 0.0], [0.0, 3e-3, 1e-3, 0.0]];
        let mut gradient = vec![[0.0; 4]; 3];
        terms.gradient(&moved, &mut gradient);
        for node in 0..3 {
            for axis in 0..3 {
                let energy = |by: f32| {
                    let mut nudged = moved.clone();
                    nudged[node][axis] += by;
                    terms.energy(&nudged)
                };
                let slope = (energy(1e-4) - energy(-1e-4)) / 2e-4;
                assert!((slope - f64::from(gradient[node][axis])).abs() < 2e-3, "{slope} {}", gradient[node][axis]);
            }
        }
    }

    #[test]
    fn what_a_tool_feels_is_what_the_tissue_gets_turned_round() {
        let mut terms = terms();
        let moved = vec![[0.0; 4]; 3];
        let mut gradient = vec![[0.0; 4]; 3];
        terms.gradient(&moved, &mut gradient);
        let total: Vec3 = gradient.iter().map(|&g| vec3(g)).sum();
        let at = [Vec3::ZERO, Vec3::X, Vec3::Y];
        let felt = terms.force_on(1, Vec3::ZERO, &at, &moved).0 + terms.force_on(2, Vec3::ZERO, &at, &moved).1;
        assert!((total - felt).length() < 1e-6);
    }
}
