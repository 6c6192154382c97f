//! What an organ is made of, with the source of each number.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::parameters::Parameters;
use crate::tissue::Response;
use crate::units::{Density, Pascals, PoissonRatio};

/// Elasticity and density of an organ: the parameters of its twin, as the solver takes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    /// Young's modulus at small strain.
    pub young_pa: Pascals,
    /// Its standard deviation between people.
    pub young_sd_pa: Pascals,
    pub poisson: PoissonRatio,
    pub density_kg_m3: Density,
    /// What the tissue does beyond an elastic isotropic solid: relaxation, viscosity, fibres, a capsule.
    #[serde(default, skip_serializing_if = "Response::is_plain", deserialize_with = "sound_response")]
    pub response: Response,
    /// Along which the fibres run at rest, in the world; needed where the response has fibres.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "sound_direction")]
    pub fibre_direction: Option<[f32; 3]>,
    /// Where the numbers come from.
    pub source: String,
}

fn sound_response<'de, D: Deserializer<'de>>(from: D) -> Result<Response, D::Error> {
    let response = Response::deserialize(from)?;
    response.fault().map_or(Ok(response), |fault| Err(D::Error::custom(fault)))
}

fn sound_direction<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[f32; 3]>, D::Error> {
    let direction = Option::<[f32; 3]>::deserialize(from)?;
    let is_one = |d: [f32; 3]| glam::Vec3::from(d).try_normalize().is_some();
    if direction.is_none_or(is_one) { Ok(direction) } else { Err(D::Error::custom("a fibre direction is finite and not zero")) }
}

impl Material {
    /// The material of an organ by its name, of a person of whom nothing is known; an organ of which nothing is published borrows the
    /// liver's, and says so.
    pub fn of_organ(organ: &str) -> Self {
        let parameters = Parameters::new(&[organ.to_owned()], Vec::new(), None, None);
        parameters.material(organ).expect("the bundled model holds the liver, and every organ may borrow it")
    }
}
