//! Newtypes for values that cross a file boundary: the rule about one value lives in its type, so the parser finds the place.

use serde::{Deserialize, Serialize};

/// What is wrong with one value, in the words of the person who wrote it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnitError {
    #[error("Poisson's ratio {0} is outside -1 < ν < 0.5")]
    PoissonRatio(f64),
    #[error("{value} is not a positive, finite number of {unit}")]
    NotPositive { value: f64, unit: &'static str },
}

/// Poisson's ratio ν, dimensionless; an isotropic solid needs −1 < ν < 0.5.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct PoissonRatio(f64);

impl PoissonRatio {
    /// A value known when the program is written; used in a `const`, one out of range does not compile.
    pub const fn constant(value: f64) -> Self {
        assert!(value > -1.0 && value < 0.5);
        Self(value)
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for PoissonRatio {
    type Error = UnitError;
    fn try_from(value: f64) -> Result<Self, UnitError> {
        if value > -1.0 && value < 0.5 { Ok(Self(value)) } else { Err(UnitError::PoissonRatio(value)) }
    }
}

impl From<PoissonRatio> for f64 {
    fn from(ratio: PoissonRatio) -> f64 {
        ratio.0
    }
}

macro_rules! positive {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize, Serialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// A value known when the program is written; used in a `const`, one out of range does not compile.
            pub const fn constant(value: f64) -> Self {
                assert!(value.is_finite() && value > 0.0);
                Self(value)
            }

            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = UnitError;
            fn try_from(value: f64) -> Result<Self, UnitError> {
                if value.is_finite() && value > 0.0 {
                    Ok(Self(value))
                } else {
                    Err(UnitError::NotPositive { value, unit: $unit })
                }
            }
        }

        impl From<$name> for f64 {
            fn from(quantity: $name) -> f64 {
                quantity.0
            }
        }
    };
}

positive!(
    /// A pressure, stress or elastic modulus, Pa.
    Pascals,
    "pascals"
);
positive!(
    /// A mass density, kg/m³.
    Density,
    "kilograms per cubic metre"
);
positive!(
    /// A length as case files write it, mm.
    Millimetres,
    "millimetres"
);
positive!(
    /// A length of time, s.
    Seconds,
    "seconds"
);
positive!(
    /// A force, N.
    Newtons,
    "newtons"
);

impl Millimetres {
    /// The same length in metres.
    pub fn metres(self) -> f32 {
        (self.0 * 1e-3) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poisson_ratio_of_one_half_or_nan_is_refused() {
        for bad in [0.5, 0.7, -1.0, f64::NAN] {
            assert!(PoissonRatio::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(PoissonRatio::try_from(0.45).map(PoissonRatio::get), Ok(0.45));
    }

    #[test]
    fn infinite_and_negative_quantities_are_refused() {
        for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(Pascals::try_from(bad).is_err(), "{bad}");
        }
    }
}
