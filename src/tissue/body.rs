//! A soft body: what it is made of, where it is, and the questions that may be asked of it.

use glam::Vec3;

use super::attach::Bands;
use super::clusters::Clusters;
use super::coarse::Lattice;
use super::contact::ContactMemory;
use super::damage::Damage;
use super::elements::{Element, Elements, Node, Recipe};
use super::grasp::{Anchor, Hold};
use super::material::Material;
use super::needle::Needles;
use super::pcg::Workspace;
use super::potential::Tick;
use super::response::{ResponseError, Responses};
use super::scheme::Past;
use super::self_contact::SelfContact;
use super::solver::SolverSettings;
use super::surface::Surface;
use super::tear::Tears;
use super::terms::Terms;
use super::unfold::Folds;
use crate::geom::{MeshError, TetMesh};

/// What a body is made from.
#[derive(Debug, Clone, Default)]
pub struct BodySpec {
    /// At rest, in the world, m.
    pub mesh: TetMesh,
    pub materials: Vec<Material>,
    /// Index into `materials` for each tetrahedron; empty means material 0 everywhere.
    pub tet_material: Vec<u8>,
    /// Vertices that never move.
    pub pinned: Vec<u32>,
    pub settings: SolverSettings,
}

/// Why a body cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum BodyError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Mesh(#[from] MeshError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Response(#[from] ResponseError),
    #[error("tetrahedron {tet} is too flat or too small to be solved in single precision")]
    #[diagnostic(help("its corners lie in one plane within rounding: remove it or mesh again"))]
    Flat { tet: usize },
    #[error("the body has no materials")]
    NoMaterials,
    #[error(
        "material {index} (`{name}`) is unsound: Young's modulus, density and stress limit must be positive, and -1 < ν < 0.5"
    )]
    Material { index: usize, name: String },
    #[error("there are {given} material numbers for {tets} tetrahedra")]
    MaterialCount { given: usize, tets: usize },
    #[error("tetrahedron {tet} is of material {material}, but there are only {materials} (0 to {})", materials.saturating_sub(1))]
    NoSuchMaterial { tet: usize, material: u8, materials: usize },
    #[error("the fracture toughness of material {material} is {given} J/m²: it must be zero or positive")]
    Toughness { material: usize, given: f32 },
    #[error("a limit of the tissue `{tissue}` is not positive, or its softening is not between 0 and 1")]
    Limits { tissue: String },
    #[error("the band `{name}` cannot be tied: {why}")]
    Band { name: String, why: &'static str },
    #[error("needle {needle} cannot be driven: {why}")]
    Needle { needle: u8, why: &'static str },
    #[error("toughness and strength of material {material} must be positive for it to tear")]
    Tearing { material: usize },
    #[error("vertex {vertex} is to be pinned, but there are only {vertices}")]
    NoSuchPinned { vertex: u32, vertices: usize },
}

/// The connected pieces of a body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pieces {
    /// The piece of each tetrahedron; pieces are numbered by their first tetrahedron.
    pub of_tet: Vec<u32>,
    /// The piece of each node; their number for a node that belongs to none.
    pub of_node: Vec<u32>,
    /// Whether a piece holds a pinned vertex or an unbroken fibre of a band, by piece.
    pub pinned: Vec<bool>,
}

impl Pieces {
    pub fn count(&self) -> usize {
        self.pinned.len()
    }
}

/// A deformable body on linear tetrahedra, stepped by [`SoftBody::step`].
///
/// A node is named by its vertex number. A cut appends vertices and tetrahedra and keeps every existing number's meaning: a cut
/// vertex becomes several, one of which keeps the number.
pub struct SoftBody {
    pub(super) rest: Vec<Vec3>,
    /// Displacement from rest: the state that is solved for.
    pub(super) u: Vec<Node>,
    pub(super) positions: Vec<Vec3>,
    pub(super) velocities: Vec<Vec3>,
    pub(super) accelerations: Vec<Vec3>,
    /// What the time scheme keeps of the last tick; empty where there was none.
    pub(super) past: Vec<Past>,
    pub(super) tets: Vec<[u32; 4]>,
    pub(super) tet_material: Vec<u8>,
    /// Bit `k`: the face opposite corner `k` was part of the first surface.
    pub(super) capsule: Vec<u8>,
    /// Bit `k`: the face opposite corner `k` is part of the surface now.
    pub(super) exposed: Vec<u8>,
    pub(super) materials: Vec<Material>,
    /// Fracture toughness of each material, J/m²; 0 past its end.
    pub(super) toughness: Vec<f32>,
    pub(super) responses: Responses,
    pub(super) pinned: Vec<u32>,
    pub(super) is_pinned: Vec<bool>,
    /// Nodes that a cut has passed through.
    pub(super) on_cut: Vec<bool>,
    pub(super) shapes: Vec<Element>,
    /// Tetrahedra in the order in which the elements take them: neighbours in space are neighbours here.
    pub(super) order: Vec<u32>,
    pub(super) mass: Vec<f32>,
    pub(super) elements: Elements,
    pub(super) lattice: Lattice,
    /// Diagonal blocks of the stiffness, renewed with the lattice.
    pub(super) blocks: Vec<[f32; 6]>,
    pub(super) clusters: Clusters,
    pub(super) stale: bool,
    pub(super) blocks_are_good: bool,
    /// No elements have changed since `blocks` was made.
    pub(super) blocks_are_whole: bool,
    /// Ticks that begin with clamped elements.
    pub(super) clamped_ticks_left: u32,
    pub(super) surface: Surface,
    pub(super) pieces: Pieces,
    pub(super) anchors: Vec<Anchor>,
    pub(super) holds: Vec<Hold>,
    pub(super) contact_memory: ContactMemory,
    pub(super) terms: Terms,
    pub(super) settings: SolverSettings,
    pub(super) mean_edge_m: f32,
    pub(super) mean_volume_m3: f32,
    /// Sum of rest volumes, m³: kept up by what changes elements.
    pub(super) rest_volume: f64,
    pub(super) last_dt_secs: f32,
    pub(super) stress: Vec<f32>,
    pub(super) work: Workspace,
    pub(super) tick: Tick,
    /// Inverse diagonal blocks of a Newton step.
    pub(super) inverse: Vec<[f32; 6]>,
    /// The terms' share of a product.
    pub(super) extra: Vec<Node>,
    pub(super) cut_count: u64,
    pub(super) crumbs: Vec<super::crumb::Crumb>,
    pub(super) is_crumb: Vec<bool>,
    pub(super) tears: Tears,
    pub(super) bands: Bands,
    pub(super) needles: Needles,
    pub(super) damage: Damage,
    pub(super) folds: Folds,
    pub(super) self_contact: SelfContact,
}

impl SoftBody {
    /// Makes a body at rest.
    ///
    /// # Errors
    /// [`BodyError`] names the element, vertex or material that cannot be used.
    pub fn new(spec: BodySpec) -> Result<Self, BodyError> {
        let BodySpec { mesh, materials, mut tet_material, mut pinned, settings } = spec;
        mesh.validate()?;
        let TetMesh { vertices: rest, tets } = mesh;
        if materials.is_empty() {
            return Err(BodyError::NoMaterials);
        }
        if let Some(index) = materials.iter().position(|m| !m.is_sound()) {
            return Err(BodyError::Material { index, name: materials[index].name.clone() });
        }
        if tet_material.is_empty() {
            tet_material = vec![0; tets.len()];
        }
        if tet_material.len() != tets.len() {
            return Err(BodyError::MaterialCount { given: tet_material.len(), tets: tets.len() });
        }
        if let Some(tet) = tet_material.iter().position(|&m| usize::from(m) >= materials.len()) {
            return Err(BodyError::NoSuchMaterial { tet, material: tet_material[tet], materials: materials.len() });
        }
        if let Some(&vertex) = pinned.iter().find(|&&v| v as usize >= rest.len()) {
            return Err(BodyError::NoSuchPinned { vertex, vertices: rest.len() });
        }
        pinned.sort_unstable();
        pinned.dedup();
        let nodes = rest.len();
        let mut is_pinned = vec![false; nodes];
        pinned.iter().for_each(|&v| is_pinned[v as usize] = true);
        let mut shapes = Vec::with_capacity(tets.len());
        for (tet, corners) in tets.iter().enumerate() {
            shapes.push(Element::new(corners.map(|v| rest[v as usize])).ok_or(BodyError::Flat { tet })?);
        }
        let capsule = super::surface::exposed_faces(&tets, nodes);
        let surface = Surface::new(&tets, nodes, &capsule, &capsule, 0);
        let pieces = find_pieces(&tets, nodes, &is_pinned);
        let order = spatial_order(&rest, &tets);
        let volume: f64 = shapes.iter().map(|s| f64::from(s.volume)).sum();
        let mean_volume = (volume / tets.len() as f64) as f32;
        let responses = Responses::new(tets.len());
        let mut body = Self {
            u: vec![[0.0; 4]; nodes],
            positions: rest.clone(),
            velocities: vec![Vec3::ZERO; nodes],
            accelerations: vec![Vec3::ZERO; nodes],
            past: Vec::new(),
            elements: Elements::default(),
            mass: Vec::new(),
            blocks: Vec::new(),
            on_cut: vec![false; nodes],
            stale: true,
            blocks_are_good: false,
            clusters: Clusters::default(),
            blocks_are_whole: false,
            clamped_ticks_left: 0,
            anchors: Vec::new(),
            holds: Vec::new(),
            contact_memory: ContactMemory::default(),
            terms: Terms::default(),
            // the edge of a regular tetrahedron of the mean volume
            mean_edge_m: (6.0 * std::f32::consts::SQRT_2 * mean_volume).cbrt(),
            mean_volume_m3: mean_volume,
            rest_volume: 0.0,
            last_dt_secs: 0.0,
            stress: Vec::new(),
            work: Workspace::default(),
            tick: Tick::default(),
            inverse: Vec::new(),
            extra: Vec::new(),
            cut_count: 0,
            crumbs: Vec::new(),
            is_crumb: vec![false; nodes],
            tears: Tears::default(),
            bands: Bands::default(),
            needles: Needles::default(),
            damage: Damage::default(),
            folds: Folds::default(),
            self_contact: SelfContact::default(),
            rest,
            tets,
            tet_material,
            exposed: capsule.clone(),
            capsule,
            materials,
            toughness: Vec::new(),
            responses,
            pinned,
            is_pinned,
            shapes,
            order,
            lattice: Lattice::default(),
            surface,
            pieces,
            settings,
        };
        body.rest_volume = body.rest_volume();
        body.rebuild_elements();
        Ok(body)
    }

    /// Everything that follows from the element list: masses, batches, work space.
    pub(super) fn rebuild_elements(&mut self) {
        self.weigh();
        self.renew_elements(|_| true);
        self.stale = true;
    }

    /// Lumps the mass of the elements at their corners.
    pub(super) fn weigh(&mut self) {
        self.mass.clear();
        self.mass.resize(self.rest.len(), 0.0);
        for (tet, corners) in self.tets.iter().enumerate() {
            let density = self.materials[usize::from(self.tet_material[tet])].density_kg_m3;
            let share = 0.25 * density * self.shapes[tet].volume;
            corners.iter().for_each(|&v| self.mass[v as usize] += share);
        }
    }

    /// The same where only some elements have changed; masses stay as they are.
    pub(super) fn renew_elements(&mut self, is_changed: impl Fn(u32) -> bool) {
        let nodes = self.rest.len();
        let moduli: Vec<(f32, f32)> = self.materials.iter().map(Material::moduli).collect();
        let of_tet = |tet: usize| {
            let index = usize::from(self.tet_material[tet]);
            let ((mu, lambda_mu), firmness) = (moduli[index], self.damage.firmness(self.tets[tet], self.tet_material[tet]));
            self.responses.of(tet, index, (firmness * mu, firmness * lambda_mu), self.capsule[tet])
        };
        // an element whose corners are all held cannot deform: it weighs on the solve and changes nothing
        let movable = |tet: &&u32| self.tets[**tet as usize].iter().any(|&v| !self.is_pinned[v as usize]);
        let order: Vec<u32> = self.order.iter().filter(movable).copied().collect();
        let parent = |tet: u32| self.responses.parent(tet);
        let recipe = Recipe {
            rest: &self.rest,
            tets: &self.tets,
            shapes: &self.shapes,
            tissue: &of_tet,
            parent: &parent,
            patches: self.settings.shares_strain,
        };
        self.elements.renew(&recipe, &order, is_changed);
        self.blocks.clear();
        self.blocks.resize(nodes, [0.0; 6]);
        self.stress.clear();
        self.stress.resize(self.tets.len(), 0.0);
        self.work.resize(nodes);
        self.extra.clear();
        self.extra.resize(nodes, [0.0; 4]);
        self.blocks_are_whole = false;
    }

    /// Says what it takes to part the tissue of each material, J/m². Until then parting takes nothing.
    ///
    /// # Errors
    /// [`BodyError::Toughness`] where one is negative or not finite; nothing is changed then.
    pub fn set_toughness(&mut self, of_materials: &[f32]) -> Result<(), BodyError> {
        if let Some(material) = of_materials.iter().position(|g| !g.is_finite() || *g < 0.0) {
            return Err(BodyError::Toughness { material, given: of_materials[material] });
        }
        self.toughness = of_materials.to_vec();
        Ok(())
    }

    /// Fracture toughness of the material of one tetrahedron, J/m²; 0 where none is given.
    pub(super) fn toughness(&self, tet: usize) -> f32 {
        self.toughness.get(usize::from(self.tet_material[tet])).copied().unwrap_or(0.0)
    }

    /// World positions of the nodes, m.
    pub fn positions(&self) -> &[Vec3] {
        &self.positions
    }

    /// World velocities of the nodes, m/s.
    pub fn velocities(&self) -> &[Vec3] {
        &self.velocities
    }

    /// Positions of the nodes at rest, m.
    pub fn rest_positions(&self) -> &[Vec3] {
        &self.rest
    }

    pub fn tets(&self) -> &[[u32; 4]] {
        &self.tets
    }

    /// Index into [`SoftBody::materials`] for each tetrahedron.
    pub fn tet_material(&self) -> &[u8] {
        &self.tet_material
    }

    pub fn materials(&self) -> &[Material] {
        &self.materials
    }

    /// The nodes that never move, ascending.
    pub fn pinned(&self) -> &[u32] {
        &self.pinned
    }

    /// Lumped mass of each node, kg.
    pub fn masses(&self) -> &[f32] {
        &self.mass
    }

    /// The boundary, renewed by every cut.
    pub fn surface(&self) -> &Surface {
        &self.surface
    }

    /// The connected pieces.
    pub fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    pub fn settings(&self) -> &SolverSettings {
        &self.settings
    }

    /// Edge of a regular tetrahedron of the first mesh's mean volume, m: the length that tolerances scale with.
    pub fn mean_edge_m(&self) -> f32 {
        self.mean_edge_m
    }

    /// Sum of rest volumes, m³.
    pub fn rest_volume(&self) -> f64 {
        (0..self.tets.len()).map(|tet| crate::geom::tet_volume(self.tets[tet].map(|v| self.rest[v as usize]))).sum()
    }

    /// Volume now, m³, and the number of inverted elements.
    pub fn volume(&self) -> (f64, usize) {
        let volumes = self.tets.iter().map(|tet| crate::geom::tet_volume(tet.map(|v| self.positions[v as usize])));
        volumes.fold((0.0, 0), |(sum, inverted), volume| (sum + volume, inverted + usize::from(volume <= 0.0)))
    }

    /// Moves every node at once: for a body that starts deformed. Velocities become zero; a point that is not finite leaves its node where it is.
    pub fn set_positions(&mut self, positions: &[Vec3]) {
        for (node, &to) in positions.iter().enumerate().take(self.rest.len()) {
            if to.is_finite() && !self.is_pinned[node] {
                self.u[node] = (to - self.rest[node]).extend(0.0).to_array();
                self.positions[node] = to;
            }
        }
        self.velocities.fill(Vec3::ZERO);
        self.accelerations.fill(Vec3::ZERO);
        self.past.clear();
        self.stale = true;
    }

    /// Von Mises (Cauchy) stress of each tetrahedron at the end of the last step, Pa; zero before the first.
    pub fn stress(&self) -> &[f32] {
        &self.stress
    }

    /// Feeds positions and velocities, little endian, to a digest.
    pub fn state_bytes(&self, out: &mut impl FnMut(&[u8])) {
        for vector in self.positions.iter().chain(&self.velocities) {
            for component in vector.to_array() {
                out(&component.to_le_bytes());
            }
        }
    }
}

/// Tetrahedra by the Morton code of their centre on a grid of 1024 cells a side.
fn spatial_order(rest: &[Vec3], tets: &[[u32; 4]]) -> Vec<u32> {
    let (low, high) = rest.iter().fold((Vec3::MAX, Vec3::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let scale = 1023.0 / (high - low).max_element().max(f32::MIN_POSITIVE);
    let spread = |value: f32| {
        let mut bits = (value as u64).min(1023);
        bits = (bits | bits << 16) & 0x0300_00ff;
        bits = (bits | bits << 8) & 0x0300_f00f;
        bits = (bits | bits << 4) & 0x030c_30c3;
        (bits | bits << 2) & 0x0924_9249
    };
    let mut keyed: Vec<(u64, u32)> = tets
        .iter()
        .enumerate()
        .map(|(tet, corners)| {
            let centre = (corners.iter().map(|&v| rest[v as usize]).sum::<Vec3>() * 0.25 - low) * scale;
            (spread(centre.x) | spread(centre.y) << 1 | spread(centre.z) << 2, tet as u32)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, tet)| tet).collect()
}

/// Tetrahedra that share a node are one piece.
pub(super) fn find_pieces(tets: &[[u32; 4]], nodes: usize, is_pinned: &[bool]) -> Pieces {
    let mut parent: Vec<u32> = (0..nodes as u32).collect();
    fn root(parent: &mut [u32], mut node: u32) -> u32 {
        while parent[node as usize] != node {
            parent[node as usize] = parent[parent[node as usize] as usize];
            node = parent[node as usize];
        }
        node
    }
    for corners in tets {
        let first = root(&mut parent, corners[0]);
        for &corner in &corners[1..] {
            let other = root(&mut parent, corner);
            parent[other as usize] = first;
        }
    }
    let mut piece_of_root = vec![u32::MAX; nodes];
    let mut pieces = Pieces { of_tet: Vec::with_capacity(tets.len()), of_node: Vec::new(), pinned: Vec::new() };
    for corners in tets {
        let piece = &mut piece_of_root[root(&mut parent, corners[0]) as usize];
        if *piece == u32::MAX {
            *piece = pieces.pinned.len() as u32;
            pieces.pinned.push(false);
        }
        pieces.of_tet.push(*piece);
        if corners.iter().any(|&v| is_pinned[v as usize]) {
            pieces.pinned[*piece as usize] = true;
        }
    }
    pieces.of_node = vec![pieces.pinned.len() as u32; nodes];
    for (corners, &piece) in tets.iter().zip(&pieces.of_tet) {
        corners.iter().for_each(|&v| pieces.of_node[v as usize] = piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> BodySpec {
        let mesh = TetMesh { vertices: vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z], tets: vec![[0, 1, 2, 3]] };
        let material =
            Material { name: "liver".into(), young_pa: 5e3, poisson: 0.45, density_kg_m3: 1050.0, stress_limit_pa: 1e4 };
        BodySpec { mesh, materials: vec![material], ..BodySpec::default() }
    }

    #[test]
    fn unusable_input_is_refused_by_its_number() {
        let refuse = |change: fn(&mut BodySpec)| {
            let mut bad = spec();
            change(&mut bad);
            SoftBody::new(bad).err()
        };
        assert!(SoftBody::new(spec()).is_ok());
        assert!(matches!(
            refuse(|s| s.mesh.tets[0] = [0, 2, 1, 3]),
            Some(BodyError::Mesh(MeshError::NotPositive { tet: 0, .. }))
        ));
        assert!(matches!(refuse(|s| s.materials[0].poisson = 0.5), Some(BodyError::Material { index: 0, .. })));
        assert!(matches!(refuse(|s| s.materials[0].young_pa = f32::NAN), Some(BodyError::Material { index: 0, .. })));
        assert!(matches!(refuse(|s| s.materials.clear()), Some(BodyError::NoMaterials)));
        assert!(matches!(refuse(|s| s.tet_material = vec![3]), Some(BodyError::NoSuchMaterial { tet: 0, material: 3, .. })));
        assert!(matches!(refuse(|s| s.tet_material = vec![0, 0]), Some(BodyError::MaterialCount { given: 2, tets: 1 })));
        assert!(matches!(refuse(|s| s.pinned = vec![9]), Some(BodyError::NoSuchPinned { vertex: 9, .. })));
    }

    #[test]
    fn tetrahedra_that_share_no_node_are_two_pieces() {
        let tets = [[0, 1, 2, 3], [4, 5, 6, 7], [1, 2, 3, 8]];
        let mut held = vec![false; 9];
        held[5] = true;
        let pieces = find_pieces(&tets, 9, &held);
        assert_eq!(pieces.of_tet, [0, 1, 0]);
        assert_eq!(pieces.of_node, [0, 0, 0, 0, 1, 1, 1, 1, 0]);
        assert_eq!(pieces.pinned, [false, true]);
    }

    #[test]
    fn a_quarter_of_the_mass_sits_at_each_corner() {
        let body = SoftBody::new(spec()).expect("a sound body");
        assert!(body.masses().iter().all(|m| (m - 1050.0 / 24.0).abs() < 1e-3));
    }
}
