//! What a tissue does beyond the neo-Hookean solid of its [`Material`]: a second invariant, fibres, relaxation and viscosity, a membrane on its
//! surface; and what differs from element to element.

use glam::Vec3;
use serde::{Deserialize, Serialize};

use super::body::SoftBody;
use super::material::Material;

/// Terms of relaxation at most.
pub const MOST_TERMS: usize = 4;

/// What is added to an isotropic elastic tissue; the default adds nothing and costs nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Response {
    /// C₀₁ / (C₀₁ + C₁₀) of a Mooney–Rivlin solid: the share of the shear modulus 2 (C₀₁ + C₁₀) that comes from the second invariant, 0 to below 1.
    pub second_invariant: f32,
    pub fibres: Option<Fibres>,
    /// Prony series of the shear modulus, at most four terms.
    pub relaxation: Vec<Relaxation>,
    /// Kelvin–Voigt viscosity of shear, Pa·s.
    pub viscosity_pa_s: f32,
    /// On what was the surface of the whole organ.
    pub capsule: Option<Membrane>,
}

/// One family of fibres that resist being stretched and nothing else: ψ = k₁/(2 k₂) (exp(k₂ ⟨I₄ − 1⟩²) − 1), I₄ the square of the fibre's stretch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fibres {
    /// Pa; a fibre's Young's modulus at small strain is 4 k₁.
    pub k1_pa: f32,
    pub k2: f32,
}

/// One term of G(t) = μ (1 + Σ share · exp(−t/τ)): μ is what is left in the end, and Young's modulus is that of a slow test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relaxation {
    pub share: f32,
    pub tau_secs: f32,
}

/// A thin isotropic layer that is stretched with the surface that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membrane {
    pub young_pa: f32,
    pub poisson: f32,
    pub thickness_m: f32,
}

/// Why a response cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum ResponseError {
    #[error("there are {given} responses for {materials} materials")]
    Count { given: usize, materials: usize },
    #[error("the response of material {index}: {what}")]
    Unsound { index: usize, what: &'static str },
    #[error("there are {given} {what} for {tets} tetrahedra")]
    PerElement { given: usize, what: &'static str, tets: usize },
    #[error("the {what} of tetrahedron {tet} is unusable")]
    #[diagnostic(help(
        "a stiffness factor is positive and finite; a fibre direction is finite and not zero where the tissue has fibres"
    ))]
    Element { tet: usize, what: &'static str },
}

impl Response {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<&'static str> {
        let positive = |value: f32| value.is_finite() && value > 0.0;
        if !(0.0..1.0).contains(&self.second_invariant) {
            return Some("the share of the second invariant must be 0 to below 1");
        }
        if self.fibres.is_some_and(|f| !positive(f.k1_pa) || !positive(f.k2)) {
            return Some("k1_pa and k2 of fibres must be positive");
        }
        if self.relaxation.len() > MOST_TERMS {
            return Some("relaxation has at most four terms");
        }
        if self.relaxation.iter().any(|term| !positive(term.share) || !positive(term.tau_secs)) {
            return Some("the share and tau_secs of a relaxation must be positive");
        }
        if !self.viscosity_pa_s.is_finite() || self.viscosity_pa_s < 0.0 {
            return Some("viscosity_pa_s must be zero or positive");
        }
        let is_sound = |m: Membrane| positive(m.young_pa) && positive(m.thickness_m) && m.poisson > -1.0 && m.poisson <= 0.5;
        if self.capsule.is_some_and(|m| !is_sound(m)) {
            return Some("young_pa and thickness_m of a capsule must be positive, and -1 < ν ≤ 0.5");
        }
        None
    }

    /// Whether it adds nothing.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    fn is_viscous(&self) -> bool {
        !self.relaxation.is_empty() || self.viscosity_pa_s > 0.0
    }
}

/// What one element is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tissue<'a> {
    /// Pa.
    pub mu: f32,
    /// λ + μ, Pa.
    pub lambda_mu: f32,
    /// Shear modulus of the second invariant, Pa.
    pub second: f32,
    /// Direction at rest (unit), k₁ (Pa) and k₂.
    pub fibre: Option<([f32; 3], f32, f32)>,
    pub viscous: Option<Viscous<'a>>,
    /// μ and λ of the plane-stressed layer times its thickness, N/m, and bit `k` for the face opposite corner `k`.
    pub membrane: Option<(f32, f32, u8)>,
}

/// The viscous part of a [`Tissue`].
#[derive(Debug, Clone, Copy)]
pub struct Viscous<'a> {
    pub terms: &'a [Relaxation],
    /// Shear modulus that the terms' shares are of, Pa.
    pub modulus: f32,
    /// Pa·s.
    pub viscosity: f32,
}

/// The responses of a body's materials, and what its elements have of their own.
#[derive(Debug, Clone, Default)]
pub struct Responses {
    of_materials: Vec<Response>,
    /// Factors of the moduli; empty means 1 everywhere.
    factors: Vec<f32>,
    /// Unit vectors at rest; empty where there are no fibres.
    fibres: Vec<[f32; 3]>,
    /// The elements from which those after the first mesh were cut off.
    parents: Vec<u32>,
    first_child: usize,
}

impl Responses {
    pub fn new(tets: usize) -> Self {
        Self { first_child: tets, ..Self::default() }
    }

    /// One element, given its material and which of its faces were part of the first surface.
    pub fn of(&self, tet: usize, index: usize, (mu, lambda_mu): (f32, f32), capsule: u8) -> Tissue<'_> {
        let factor = self.factors.get(tet).copied().unwrap_or(1.0);
        let (mu, lambda_mu) = (mu * factor, lambda_mu * factor);
        let Some(response) = self.of_materials.get(index) else { return Tissue { mu, lambda_mu, ..Tissue::default() } };
        let second = response.second_invariant * mu;
        let fibre = response.fibres.zip(self.fibres.get(tet)).map(|(f, &along)| (along, f.k1_pa * factor, f.k2));
        let viscous = Viscous { terms: &response.relaxation, modulus: mu, viscosity: response.viscosity_pa_s * factor };
        let membrane = response.capsule.filter(|_| capsule != 0).map(|m| {
            let shear = 0.5 * m.young_pa / (1.0 + m.poisson) * m.thickness_m;
            (shear, 2.0 * shear * m.poisson / (1.0 - m.poisson), capsule)
        });
        Tissue {
            mu: mu - second,
            lambda_mu: lambda_mu - second,
            second,
            fibre,
            viscous: response.is_viscous().then_some(viscous),
            membrane,
        }
    }

    /// The element from which a cut took this one; itself in the first mesh.
    pub fn parent(&self, tet: u32) -> u32 {
        (tet as usize).checked_sub(self.first_child).and_then(|child| self.parents.get(child)).copied().unwrap_or(tet)
    }

    /// Elements are taken away, and the others numbered anew.
    pub fn take_away(&mut self, taken: &[bool]) {
        let mut kept = taken.iter().map(|taken| !taken);
        self.factors.retain(|_| kept.next().unwrap_or(true));
        let mut kept = taken.iter().map(|taken| !taken);
        self.fibres.retain(|_| kept.next().unwrap_or(true));
        self.parents.clear();
        self.first_child = taken.iter().filter(|taken| !**taken).count();
    }

    /// Elements that a cut has made are like those they are cut from.
    pub fn inherit(&mut self, parents_of_tets: &[u32]) {
        self.parents.extend(parents_of_tets);
        for &parent in parents_of_tets {
            if let Some(&factor) = self.factors.get(parent as usize) {
                self.factors.push(factor);
            }
            if let Some(&along) = self.fibres.get(parent as usize) {
                self.fibres.push(along);
            }
        }
    }
}

impl SoftBody {
    /// Says what the tissues do beyond their [`Material`], one [`Response`] for each of them. Tissue with fibres needs their directions first
    /// ([`SoftBody::set_fibres`]); viscous tissue begins relaxed at rest.
    ///
    /// # Errors
    /// [`ResponseError`] names the material; nothing is changed then.
    pub fn set_responses(&mut self, of_materials: &[Response]) -> Result<(), ResponseError> {
        if of_materials.len() != self.materials.len() {
            return Err(ResponseError::Count { given: of_materials.len(), materials: self.materials.len() });
        }
        if let Some((index, what)) = of_materials.iter().enumerate().find_map(|(index, r)| Some((index, r.fault()?))) {
            return Err(ResponseError::Unsound { index, what });
        }
        let index = of_materials.iter().position(|r| r.fibres.is_some());
        if let Some(index) = index.filter(|_| self.responses.fibres.is_empty()) {
            return Err(ResponseError::Unsound { index, what: "its fibres have no directions" });
        }
        self.responses.of_materials = of_materials.to_vec();
        self.rebuild_elements();
        Ok(())
    }

    /// Says along which direction the fibres of each tetrahedron run at rest; the length of a direction does not matter.
    ///
    /// # Errors
    /// [`ResponseError`] names the element; nothing is changed then.
    pub fn set_fibres(&mut self, directions: &[Vec3]) -> Result<(), ResponseError> {
        self.check_count(directions.len(), "fibre directions")?;
        let unit: Vec<Option<Vec3>> = directions.iter().map(|d| d.try_normalize()).collect();
        if let Some(tet) = unit.iter().position(Option::is_none) {
            return Err(ResponseError::Element { tet, what: "fibre direction" });
        }
        self.responses.fibres = unit.into_iter().flatten().map(|d| d.to_array()).collect();
        self.rebuild_elements();
        Ok(())
    }

    /// Makes each tetrahedron stiffer or softer than its material by a factor.
    ///
    /// # Errors
    /// [`ResponseError`] names the element; nothing is changed then.
    pub fn set_stiffness_factors(&mut self, factors: &[f32]) -> Result<(), ResponseError> {
        self.check_count(factors.len(), "stiffness factors")?;
        if let Some(tet) = factors.iter().position(|f| !f.is_finite() || *f <= 0.0) {
            return Err(ResponseError::Element { tet, what: "stiffness factor" });
        }
        self.responses.factors = factors.to_vec();
        self.rebuild_elements();
        Ok(())
    }

    fn check_count(&self, given: usize, what: &'static str) -> Result<(), ResponseError> {
        let tets = self.tets.len();
        if given == tets { Ok(()) } else { Err(ResponseError::PerElement { given, what, tets }) }
    }
}

impl Material {
    /// The Mooney–Rivlin solid C₁₀ (I₁ − 3) + C₀₁ (I₂ − 3) with a bulk modulus, all Pa: its material at small strain, and its response.
    pub fn mooney_rivlin(name: &str, c10_pa: f32, c01_pa: f32, bulk_pa: f32, density_kg_m3: f32) -> (Self, Response) {
        let shear = 2.0 * (c10_pa + c01_pa);
        let material = Self {
            name: name.into(),
            young_pa: 9.0 * bulk_pa * shear / (3.0 * bulk_pa + shear),
            poisson: (3.0 * bulk_pa - 2.0 * shear) / (6.0 * bulk_pa + 2.0 * shear),
            density_kg_m3,
            stress_limit_pa: f32::MAX,
        };
        (material, Response { second_invariant: c01_pa / (c10_pa + c01_pa), ..Response::default() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geom::TetMesh;
    use crate::tissue::crew::Crew;
    use crate::tissue::elements::Node;
    use crate::tissue::{BodySpec, SolverSettings};

    fn everything() -> Response {
        Response {
            second_invariant: 0.4,
            fibres: Some(Fibres { k1_pa: 400.0, k2: 1.5 }),
            relaxation: vec![Relaxation { share: 0.5, tau_secs: 0.02 }, Relaxation { share: 0.2, tau_secs: 1.0 }],
            viscosity_pa_s: 3.0,
            capsule: Some(Membrane { young_pa: 1e4, poisson: 0.4, thickness_m: 0.05 }),
        }
    }

    /// A cube of unit edge.
    fn cube(cells: usize, shares_strain: bool, response: Response) -> SoftBody {
        let mesh = TetMesh::block([cells; 3], Vec3::ONE);
        let material = Material { name: "m".into(), young_pa: 1e3, poisson: 0.3, density_kg_m3: 1e3, stress_limit_pa: 1e9 };
        let settings = SolverSettings { shares_strain, ..SolverSettings::default() };
        let mut body =
            SoftBody::new(BodySpec { mesh, materials: vec![material], settings, ..BodySpec::default() }).expect("a sound body");
        let along: Vec<Vec3> = (0..body.tets().len()).map(|tet| Vec3::new(1.0, tet as f32, 0.5)).collect();
        body.set_fibres(&along).expect("directions");
        body.set_responses(&[response]).expect("sound");
        body
    }

    fn field() -> impl Strategy<Value = Vec<Node>> {
        prop::collection::vec(prop::array::uniform3(-0.3f32..0.3), 8)
            .prop_map(|u| u.iter().map(|u| [u[0], u[1], u[2], 0.0]).collect())
    }

    fn dot(a: &[Node], b: &[Node]) -> f64 {
        a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    fn along(u: &[Node], by: f32, du: &[Node]) -> Vec<Node> {
        u.iter().zip(du).map(|(u, du)| std::array::from_fn(|k| u[k] + by * du[k])).collect()
    }

    fn evaluate(body: &mut SoftBody, u: &[Node]) -> (f64, Vec<Node>) {
        let energy = Crew::call(true, |crew| body.elements.evaluate(crew, || (), |node| u[node]));
        (energy, (0..8).map(|node| body.elements.force(node)).collect())
    }

    proptest! {
        /// Every response at once, at any state and after any past. Tolerances: central differences over 2e-3 in single precision are good to 2e-3
        /// of the energy's and the stiffness's own size.
        #[test]
        fn forces_are_the_slope_of_the_energy_and_products_that_of_the_forces(
            past in field(), u in field(), du in field(), shares_strain: bool,
        ) {
            let mut body = cube(1, shares_strain, everything());
            Crew::call(true, |crew| {
                body.elements.begin(crew, 0.01);
                body.elements.evaluate(crew, || (), |node| past[node]);
                body.elements.end(crew);
                body.elements.begin(crew, 0.01);
            });
            // stretched by a half, so that fibres are taut: where they begin to pull, their stiffness jumps
            let rest = body.rest_positions().to_vec();
            let taut: Vec<Node> =
                rest.iter().zip(&u).map(|(x, u)| [0.5 * x.x + u[0] / 3.0, 0.5 * x.y + u[1] / 3.0, 0.5 * x.z + u[2] / 3.0, 0.0]).collect();
            let h = 2e-3;
            let ((up, force_up), (down, force_down)) = (evaluate(&mut body, &along(&taut, h, &du)), evaluate(&mut body, &along(&taut, -h, &du)));
            let (energy, force) = evaluate(&mut body, &taut);
            let slope = (up - down) / f64::from(2.0 * h);
            prop_assert!((slope - dot(&force, &du)).abs() < 2e-3 * (energy.abs() + slope.abs() + 100.0), "{slope} {}", dot(&force, &du));
            Crew::call(true, |crew| body.elements.product(crew, || (), &du));
            let product: Vec<Node> = (0..8).map(|node| body.elements.force(node)).collect();
            let size = dot(&product, &product).sqrt();
            for node in 0..8 {
                for k in 0..3 {
                    let slope = (force_up[node][k] - force_down[node][k]) / (2.0 * h);
                    prop_assert!(f64::from((slope - product[node][k]).abs()) < 1e-2 * (size + 50.0), "{slope} {}", product[node][k]);
                }
            }
            // clamped, no direction goes downhill
            evaluate(&mut body, &u);
            Crew::call(true, |crew| body.elements.clamp(crew));
            Crew::call(true, |crew| body.elements.product(crew, || (), &du));
            let product: Vec<Node> = (0..8).map(|node| body.elements.force(node)).collect();
            prop_assert!(dot(&product, &du) > -1e-3 * size);
        }
    }

    #[test]
    fn the_diagonal_is_that_of_the_products_where_nothing_is_negative() {
        let mut body = cube(1, true, everything());
        // swollen alike on all sides: viscosity, whose stress has no trace, is left with its stiffness
        let u: Vec<Node> = body.rest_positions().iter().map(|x| [0.2 * x.x, 0.2 * x.y, 0.2 * x.z, 0.0]).collect();
        Crew::call(true, |crew| body.elements.begin(crew, 0.01));
        evaluate(&mut body, &u);
        let mut blocks = vec![[0.0f32; 6]; 8];
        Crew::call(true, |crew| body.elements.diagonal(crew, true, &mut blocks, &mut body.clusters));
        for node in 0..8 {
            for (axis, place) in [(0, 0), (1, 3), (2, 5)] {
                let mut unit = vec![[0.0; 4]; 8];
                unit[node][axis] = 1.0;
                Crew::call(true, |crew| body.elements.product(crew, || (), &unit));
                let own = body.elements.force(node)[axis];
                assert!((own - blocks[node][place]).abs() < 1e-3 * own.abs(), "{node} {axis}: {own} {}", blocks[node][place]);
            }
        }
    }

    #[test]
    fn a_cut_inherits_what_the_tissue_is_and_remembers() {
        let mut body = cube(4, true, everything());
        let factors: Vec<f32> = (0..body.tets().len()).map(|tet| 1.0 + 0.1 * (tet % 7) as f32).collect();
        body.set_stiffness_factors(&factors).expect("factors");
        let weight = |body: &SoftBody| -> f64 {
            (0..body.tets().len()).map(|tet| f64::from(body.responses.factors[tet] * body.shapes[tet].volume)).sum()
        };
        let before = weight(&body);
        let stretched: Vec<Vec3> = body.rest_positions().iter().map(|x| *x * Vec3::new(1.2, 0.9, 0.95)).collect();
        let driven: Vec<(u32, Vec3)> = (0u32..).zip(stretched).collect();
        let loads = crate::tissue::Loads { driven: &driven, ..Default::default() };
        body.step(&loads, 0.01).expect("a step");
        let energy = |body: &mut SoftBody| {
            let u = body.u.clone();
            Crew::call(true, |crew| {
                body.elements.begin(crew, 0.01);
                body.elements.evaluate(crew, || (), |node| u[node])
            })
        };
        let held = energy(&mut body);
        let y = |x: f32, z: f32| Vec3::new(x, 0.33, z);
        let report =
            body.cut(&crate::tissue::BladeSweep { polygon: vec![y(-1.0, -1.0), y(2.0, -1.0), y(2.0, 2.0), y(-1.0, 2.0)] });
        assert!(report.tets_added > 0 && report.pieces == 2, "{report:?}");
        assert!((weight(&body) / before - 1.0).abs() < 1e-5, "{} {before}", weight(&body));
        // an affine stretch, so what is stored stays where the elements are split
        assert!((energy(&mut body) / held - 1.0).abs() < 1e-4, "{} {held}", energy(&mut body));
    }

    #[test]
    fn unusable_responses_are_refused_and_change_nothing() {
        let mut body = cube(1, false, Response::default());
        let refuse = |body: &mut SoftBody, response: Response| body.set_responses(&[response]).expect_err("unsound").to_string();
        assert!(
            refuse(&mut body, Response { second_invariant: 1.0, ..Response::default() })
                .contains("material 0: the share of the second")
        );
        let slow = Relaxation { share: 0.3, tau_secs: f32::NAN };
        assert!(refuse(&mut body, Response { relaxation: vec![slow], ..Response::default() }).contains("tau_secs"));
        assert!(refuse(&mut body, Response { viscosity_pa_s: -1.0, ..Response::default() }).contains("viscosity_pa_s"));
        assert_eq!(body.set_responses(&[]), Err(ResponseError::Count { given: 0, materials: 1 }));
        assert_eq!(body.set_fibres(&[Vec3::ZERO; 5]), Err(ResponseError::Element { tet: 0, what: "fibre direction" }));
        assert!(matches!(body.set_stiffness_factors(&[1.0]), Err(ResponseError::PerElement { given: 1, tets: 5, .. })));
    }
}
