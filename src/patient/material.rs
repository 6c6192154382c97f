//! What an organ is made of, with the source of each number.

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::units::{Density, Pascals, PoissonRatio};

/// Isotropic elasticity and density of an organ: the parameters of its twin, as the solver takes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Young's modulus at small strain.
    pub young_pa: Pascals,
    /// Its standard deviation between people.
    pub young_sd_pa: Pascals,
    pub poisson: PoissonRatio,
    pub density_kg_m3: Density,
    /// Where the numbers come from.
    pub source: String,
}

impl Material {
    /// The material of an organ by its name, of a person of whom nothing is known; an organ of which nothing is published borrows the
    /// liver's, and says so.
    pub fn of_organ(organ: &str) -> Self {
        let parameters = Parameters::new(&[organ.to_owned()], Vec::new(), None, None);
        parameters.material(organ).expect("the bundled model holds the liver, and every organ may borrow it")
    }
}
