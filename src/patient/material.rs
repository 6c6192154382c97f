//! What an organ is made of, with the source of each number.

use serde::{Deserialize, Serialize};

use crate::units::{Density, Pascals, PoissonRatio};

/// Isotropic elasticity and density of an organ, as published.
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

const LIVER_SOURCE: &str = "Young's modulus 5.49 ± 1.59 kPa: transient elastography of 429 healthy people, Roulot et al., Journal of \
    Hepatology 48:606-613, 2008. Density 1060 kg/m³: table 1 of doi:10.1088/1361-6560/ab5010 (Physics in Medicine & Biology \
    64:225001, 2019). Poisson's ratio 0.45: soft tissue is nearly incompressible; the value is a choice for the solver.";

impl Material {
    /// The material of an organ by its name. Only the liver's is from the literature; any other organ borrows it, and says so.
    pub fn of_organ(organ: &str) -> Self {
        let source = if organ == "liver" {
            LIVER_SOURCE.to_owned()
        } else {
            format!("No published value is kept for `{organ}`: these are the liver's. {LIVER_SOURCE}")
        };
        Self {
            young_pa: const { Pascals::constant(5490.0) },
            young_sd_pa: const { Pascals::constant(1590.0) },
            poisson: const { PoissonRatio::constant(0.45) },
            density_kg_m3: const { Density::constant(1060.0) },
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_borrowed_value_says_that_it_is_borrowed() {
        assert!(Material::of_organ("spleen").source.starts_with("No published value"));
        assert!(Material::of_organ("liver").source.contains("Roulot"));
    }
}
