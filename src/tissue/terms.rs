//! The parts of the potential that act on a few nodes each: contacts with friction, and the springs of a grasp.
//!
//! ```text
//! contact    k (δ³/6ε, from ε on ½(δ² − εδ + ε²/3))     δ = n·x_c − o, x_c = Σ wᵢ xᵢ, frozen n, o, w: convex, twice differentiable
//! friction   μ N f₀(|u|)                                u the elastic slip, N from the last linearisation
//! hold       ½ k |s_n|² + k h(|s_t|)                    s the stretch along and across the jaws' closing, h Huber's function
//! ```
//! The slope of each is its reaction force. f₀ is the mollified norm of Li et al., “Incremental Potential Contact”, ACM TOG 2020, eq. 14:
//! quadratic below the slip ε_t. Its slip is carried from tick to tick and returned to ε_t where it is longer (the return mapping of Simo & Hughes,
//! “Computational Inelasticity”, 1998, §2.3, for Coulomb's cone), so that what sticks does not creep. All of it is convex: every product here is
//! positive.

use glam::Vec3;

use super::attach::Ties;
use super::elements::Node;

/// What tissue touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Against {
    Tool(u8),
    Floor,
    Tissue,
}

/// Names a place of contact from tick to tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub against: Against,
    /// The part of the tool.
    pub part: u16,
    /// The corner, edge or face, sorted; `u32::MAX` where there are fewer than three.
    pub feature: [u32; 3],
}

/// What a contact keeps from tick to tick.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stuck {
    /// Elastic slip, m.
    pub slip: Vec3,
    /// Normal force, N.
    pub normal_n: f32,
}

/// One point of a tool, the floor or other tissue against up to four nodes.
#[derive(Debug, Clone, Copy)]
pub struct Contact {
    pub nodes: [u32; 4],
    /// Of the point that touches; against tissue the other side's are negative, and 0 fills up.
    pub weights: [f32; 4],
    /// Unit, from tissue to obstacle.
    pub normal: Vec3,
    /// n·x_c − o at the beginning of the tick, m; positive is too near.
    pub depth_at_start: f32,
    /// N/m.
    pub stiffness: f32,
    /// μ N, N.
    pub friction: f32,
    /// Motion of the obstacle's point during the tick, m.
    pub obstacle_motion: Vec3,
    /// Elastic slip when the tick began, m.
    pub stuck: Vec3,
    pub place: Place,
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

/// Force and torque (about one point) on something, N and N·m.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wrench {
    pub force: Vec3,
    pub torque: Vec3,
}

impl Wrench {
    fn add(&mut self, force: Vec3, arm: Vec3) {
        self.force += force;
        self.torque += arm.cross(force);
    }
}

/// All of them, with the stiffness found by the last [`Terms::gradient`].
#[derive(Debug, Clone, Default)]
pub struct Terms {
    pub contacts: Vec<Contact>,
    pub springs: Vec<Spring>,
    pub ties: Ties,
    /// Slip below which friction is a spring, m.
    pub slip_m: f32,
    /// Depth within which a contact's stiffness grows from nothing to its whole, m.
    pub onset_m: f32,
    /// Of each contact, then of each spring.
    state: Vec<Stiffness>,
}

/// A stiffness by three directions that are square to each other, N/m.
#[derive(Debug, Clone, Copy)]
struct Stiffness {
    normal: Vec3,
    along_normal: f32,
    /// Of the slip, unit or zero.
    way: Vec3,
    along_way: f32,
    across: f32,
}

impl Stiffness {
    fn times(&self, p: Vec3) -> Vec3 {
        self.normal * (self.normal.dot(p) * (self.along_normal - self.across))
            + self.way * (self.way.dot(p) * (self.along_way - self.across))
            + p * self.across
    }

    /// Its block (xx, xy, xz, yy, yz, zz).
    fn block(&self) -> [f32; 6] {
        let (n, w) = (self.normal, self.way);
        let (a, b) = (self.along_normal - self.across, self.along_way - self.across);
        let c = self.across;
        [
            n.x * n.x * a + w.x * w.x * b + c,
            n.x * n.y * a + w.x * w.y * b,
            n.x * n.z * a + w.x * w.z * b,
            n.y * n.y * a + w.y * w.y * b + c,
            n.y * n.z * a + w.y * w.z * b,
            n.z * n.z * a + w.z * w.z * b + c,
        ]
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
    #[inline(always)]
    fn at(&self, vectors: &[Node]) -> Vec3 {
        let [a, b, c, d] = self.nodes.map(|v| vec3(vectors[v as usize]));
        (a * self.weights[0] + b * self.weights[1]) + (c * self.weights[2] + d * self.weights[3])
    }

    /// Elastic slip at the displacement `moved` of the contact's point.
    fn slip(&self, moved: Vec3) -> Vec3 {
        let relative = moved - self.obstacle_motion + self.stuck;
        relative - self.normal * self.normal.dot(relative)
    }

    fn depth(&self, moved: Vec3) -> f32 {
        self.depth_at_start + self.normal.dot(moved)
    }

    fn scatter(&self, force: Vec3, out: &mut [Node]) {
        for (&node, &weight) in self.nodes.iter().zip(&self.weights) {
            add(&mut out[node as usize], force * weight);
        }
    }

    /// (energy, force, stiffness) of the normal part at a depth.
    fn press(&self, depth: f32, onset: f32) -> (f32, f32, f32) {
        let k = self.stiffness;
        if depth <= 0.0 {
            (0.0, 0.0, 0.0)
        } else if depth < onset {
            let share = depth / onset;
            (k * depth * depth * share / 6.0, 0.5 * k * depth * share, k * share)
        } else {
            (0.5 * k * (depth * (depth - onset) + onset * onset / 3.0), k * (depth - 0.5 * onset), k)
        }
    }

    /// Friction per slip: f₁(y)/|u| times μ N, 2/ε − |u|/ε² below ε, 1/|u| above.
    fn drag(&self, slip: Vec3, slip_m: f32) -> f32 {
        let y = slip.length() / slip_m;
        self.friction * if y < 1.0 { (2.0 - y) / slip_m } else { 1.0 / (y * slip_m) }
    }
}

impl Spring {
    fn stretch(&self, moved: &[Node]) -> Vec3 {
        self.offset_at_start + vec3(moved[self.node as usize])
    }

    /// (stretch along the closing, stretch across it, secant stiffness across).
    fn parts(&self, stretch: Vec3) -> (Vec3, Vec3, f32) {
        let along = self.closing * self.closing.dot(stretch);
        let across = stretch - along;
        let pull = across.length() * self.stiffness;
        (along, across, if pull > self.limit_n { self.stiffness * self.limit_n / pull } else { self.stiffness })
    }

    /// How far the node has slid through the jaws: the stretch across that friction does not bear.
    pub fn slid(&self, moved: &[Node]) -> Vec3 {
        let (_, across, secant) = self.parts(self.stretch(moved));
        across * (1.0 - secant / self.stiffness)
    }
}

impl Terms {
    pub fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.springs.is_empty() && self.ties.is_empty()
    }

    /// Normal force of a contact at the displacements `moved` of this tick, N.
    pub fn normal_force(&self, contact: &Contact, moved: &[Node]) -> f32 {
        contact.press(contact.depth(contact.at(moved)), self.onset_m).1
    }

    /// Normal force at a depth, N.
    pub fn force_at(&self, contact: &Contact, depth: f32) -> f32 {
        contact.press(depth, self.onset_m).1
    }

    /// Energy at the displacements `moved` of this tick, J.
    pub fn energy(&self, moved: &[Node]) -> f64 {
        let mut sum = 0.0f64;
        for contact in &self.contacts {
            let at = contact.at(moved);
            let (pressed, ..) = contact.press(contact.depth(at), self.onset_m);
            let slip = contact.slip(at).length();
            let y = slip / self.slip_m;
            let mollified = if y < 1.0 { self.slip_m * (y * y - y * y * y / 3.0 + 1.0 / 3.0) } else { slip };
            sum += f64::from(pressed + contact.friction * mollified);
        }
        for spring in &self.springs {
            let (along, across, secant) = spring.parts(spring.stretch(moved));
            let pulled = if secant < spring.stiffness {
                spring.limit_n * (across.length() - 0.5 * spring.limit_n / spring.stiffness)
            } else {
                0.5 * spring.stiffness * across.length_squared()
            };
            sum += f64::from(0.5 * spring.stiffness * along.length_squared() + pulled);
        }
        sum + self.ties.energy(moved)
    }

    /// Adds the gradient, N, and keeps the stiffness for the products that follow.
    pub fn gradient(&mut self, moved: &[Node], out: &mut [Node]) {
        self.state.clear();
        for contact in &self.contacts {
            let at = contact.at(moved);
            let (_, force, normal) = contact.press(contact.depth(at), self.onset_m);
            let slip = contact.slip(at);
            let across = contact.drag(slip, self.slip_m);
            let y = slip.length() / self.slip_m;
            let along_way = if y < 1.0 { 2.0 * contact.friction * (1.0 - y) / self.slip_m } else { 0.0 };
            let way = slip.normalize_or_zero();
            self.state.push(Stiffness { normal: contact.normal, along_normal: normal, way, along_way, across });
            contact.scatter(contact.normal * force + slip * across, out);
        }
        for spring in &self.springs {
            let k = spring.stiffness;
            let (along, across, secant) = spring.parts(spring.stretch(moved));
            let along_way = if secant < k { 0.0 } else { k };
            let way = across.normalize_or_zero();
            self.state.push(Stiffness { normal: spring.closing, along_normal: k, way, along_way, across: secant });
            add(&mut out[spring.node as usize], along * k + across * secant);
        }
        self.ties.gradient(moved, out);
    }

    /// Adds the stiffness times `p`.
    pub fn product(&self, p: &[Node], out: &mut [Node]) {
        let (of_contacts, of_springs) = self.state.split_at(self.contacts.len());
        for (contact, stiffness) in self.contacts.iter().zip(of_contacts) {
            contact.scatter(stiffness.times(contact.at(p)), out);
        }
        for (spring, stiffness) in self.springs.iter().zip(of_springs) {
            add(&mut out[spring.node as usize], stiffness.times(vec3(p[spring.node as usize])));
        }
        self.ties.product(p, out);
    }

    /// Adds the diagonal blocks (xx, xy, xz, yy, yz, zz) of the stiffness.
    pub fn diagonal(&self, out: &mut [[f32; 6]]) {
        let mut add = |node: u32, block: [f32; 6], share: f32| {
            out[node as usize].iter_mut().zip(block).for_each(|(out, entry)| *out += share * entry);
        };
        let (of_contacts, of_springs) = self.state.split_at(self.contacts.len());
        for (contact, stiffness) in self.contacts.iter().zip(of_contacts) {
            let block = stiffness.block();
            for (&node, &weight) in contact.nodes.iter().zip(&contact.weights) {
                add(node, block, weight * weight);
            }
        }
        for (spring, stiffness) in self.springs.iter().zip(of_springs) {
            add(spring.node, stiffness.block(), 1.0);
        }
        self.ties.diagonal(out);
    }

    /// What the tissue does to a tool by contact and friction, and by its grasp; torques about `pivot`. `positions` are those at the beginning of
    /// the tick, m.
    pub fn on_tool(&self, tool: u8, pivot: Vec3, positions: &[Vec3], moved: &[Node]) -> (Wrench, Wrench) {
        let (mut touched, mut held) = (Wrench::default(), Wrench::default());
        let now = |v: u32| positions[v as usize] + vec3(moved[v as usize]) - pivot;
        for contact in self.contacts.iter().filter(|c| c.place.against == Against::Tool(tool)) {
            let arm = (0..4).map(|k| now(contact.nodes[k]) * contact.weights[k]).sum();
            touched.add(self.force_of(contact, moved), arm);
        }
        for spring in self.springs.iter().filter(|s| s.tool == tool) {
            let (along, across, secant) = spring.parts(spring.stretch(moved));
            held.add(along * spring.stiffness + across * secant, now(spring.node));
        }
        (touched, held)
    }

    /// Force of the tissue on what it touches, N.
    pub fn force_of(&self, contact: &Contact, moved: &[Node]) -> Vec3 {
        let at = contact.at(moved);
        let slip = contact.slip(at);
        contact.normal * contact.press(contact.depth(at), self.onset_m).1 + slip * contact.drag(slip, self.slip_m)
    }

    /// Force of the tissue on the floor, N.
    pub fn force_on_floor(&self, moved: &[Node]) -> Vec3 {
        self.contacts.iter().filter(|c| c.place.against == Against::Floor).map(|c| self.force_of(c, moved)).sum()
    }

    /// What each pressing contact takes into the next tick, by place, ascending.
    pub fn stuck(&self, moved: &[Node]) -> Vec<(Place, Stuck)> {
        let kept = |c: &Contact| {
            let slip = c.slip(c.at(moved)).clamp_length_max(self.slip_m);
            (c.place, Stuck { slip, normal_n: self.normal_force(c, moved) })
        };
        let mut stuck: Vec<_> = self.contacts.iter().map(kept).filter(|(_, stuck)| stuck.normal_n > 0.0).collect();
        stuck.sort_by_key(|&(place, _)| place);
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        let place = Place { against: Against::Tool(1), part: 0, feature: [0, 1, 2] };
        let contact = Contact {
            nodes: [0, 1, 2, 0],
            weights: [0.2, 0.5, 0.3, 0.0],
            normal: Vec3::new(0.6, 0.0, 0.8),
            depth_at_start: 2e-3,
            stiffness: 500.0,
            friction: 0.3,
            obstacle_motion: Vec3::new(1e-3, 0.0, 0.0),
            stuck: Vec3::new(0.0, 4e-4, 0.0),
            place,
        };
        let tissue = Contact {
            nodes: [3, 0, 1, 2],
            weights: [1.0, -0.2, -0.5, -0.3],
            depth_at_start: -1e-3,
            place: Place { against: Against::Tissue, ..place },
            ..contact
        };
        let spring = Spring {
            node: 1,
            offset_at_start: Vec3::new(0.0, 1e-3, 0.0),
            stiffness: 300.0,
            closing: Vec3::Y,
            limit_n: f32::INFINITY,
            tool: 2,
        };
        // one that slides
        let slack = Spring { node: 2, closing: Vec3::Z, limit_n: 0.1, ..spring };
        Terms { contacts: vec![contact, tissue], springs: vec![spring, slack], slip_m: 1e-3, onset_m: 2e-3, ..Terms::default() }
    }

    fn moved() -> Vec<Node> {
        vec![[1e-3, -2e-3, 5e-4, 0.0], [2e-3, 1e-3, 0.0, 0.0], [0.0, 3e-3, 1e-3, 0.0], [2e-3, 1e-3, 2e-3, 0.0]]
    }

    /// Tolerance: central differences over 1e-4 m of energies of 1e-3 J in `f32` leave 1e-3 N.
    #[test]
    fn forces_are_the_slope_of_the_energy() {
        let (mut terms, moved) = (terms(), moved());
        let mut gradient = vec![[0.0; 4]; 4];
        terms.gradient(&moved, &mut gradient);
        for node in 0..4 {
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

    /// The product against differences of forces; tolerance: `f32` forces of 1 N over 2e-5 m.
    #[test]
    fn products_are_the_slope_of_the_forces() {
        let (mut terms, moved) = (terms(), moved());
        let p: Vec<Node> = vec![[0.3, -0.5, 0.2, 0.0], [0.1, 0.7, -0.4, 0.0], [-0.6, 0.2, 0.5, 0.0], [0.4, 0.4, -0.3, 0.0]];
        let mut force = |by: f32| {
            let mut gradient = vec![[0.0; 4]; 4];
            let at: Vec<Node> = moved.iter().zip(&p).map(|(m, p)| std::array::from_fn(|k| m[k] + by * p[k])).collect();
            terms.gradient(&at, &mut gradient);
            gradient
        };
        let (more, less) = (force(2e-5), force(-2e-5));
        force(0.0);
        let mut product = vec![[0.0; 4]; 4];
        terms.product(&p, &mut product);
        for node in 0..4 {
            for axis in 0..3 {
                let slope = (more[node][axis] - less[node][axis]) / 4e-5;
                assert!((slope - product[node][axis]).abs() < 1.0, "{node} {axis}: {slope} {}", product[node][axis]);
            }
        }
    }

    #[test]
    fn what_a_tool_feels_is_what_the_tissue_gets_turned_round() {
        let (mut terms, moved) = (terms(), moved());
        let positions = [Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z];
        let mut gradient = vec![[0.0; 4]; 4];
        terms.gradient(&moved, &mut gradient);
        let pivot = Vec3::new(0.3, -0.2, 0.1);
        let mut whole = Wrench::default();
        for (node, &force) in gradient.iter().enumerate() {
            whole.add(vec3(force), positions[node] + vec3(moved[node]) - pivot);
        }
        let (touched, _) = terms.on_tool(1, pivot, &positions, &moved);
        let (_, held) = terms.on_tool(2, pivot, &positions, &moved);
        assert!((whole.force - touched.force - held.force).length() < 1e-6, "tissue against tissue adds nothing");
        terms.contacts.truncate(1);
        let mut alone = vec![[0.0; 4]; 4];
        terms.gradient(&moved, &mut alone);
        let mut whole = Wrench::default();
        for (node, &force) in alone.iter().enumerate() {
            whole.add(vec3(force), positions[node] + vec3(moved[node]) - pivot);
        }
        assert!((whole.torque - touched.torque - held.torque).length() < 1e-6);
    }

    #[test]
    fn what_sticks_keeps_its_slip_and_what_slides_no_more_than_the_onset() {
        let terms = terms();
        let stuck = terms.stuck(&moved());
        assert!(stuck.iter().all(|(_, stuck)| stuck.slip.length() <= terms.slip_m * 1.000_001));
        assert!(stuck.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
