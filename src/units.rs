//! Newtypes for values that cross a file boundary: the rule about one value lives in its type, so the parser finds the place.

use serde::{Deserialize, Serialize};

/// What is wrong with one value, in the words of the person who wrote it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnitError {
    #[error("Poisson's ratio {0} is outside -1 < ν < 0.5")]
    PoissonRatio(f64),
    #[error("{value} is not a positive, finite number of {unit}")]
    NotPositive { value: f64, unit: &'static str },
    #[error("{what} of {value} is outside {low} to {high} {unit}")]
    OutOfRange { what: &'static str, value: f64, low: f64, high: f64, unit: &'static str },
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
    /// What it takes to part a material, J/m² of new crack.
    FractureToughness,
    "joules per square metre"
);
positive!(
    /// A stiffness, N/m.
    Stiffness,
    "newtons per metre"
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
    /// A dose of a drug, in the unit that its key names.
    Dose,
    "the unit of the dose"
);
positive!(
    /// A force, N.
    Newtons,
    "newtons"
);

macro_rules! within {
    ($(#[$doc:meta])* $name:ident, $what:literal, $low:literal to $high:literal, $unit:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize, Serialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = UnitError;
            fn try_from(value: f64) -> Result<Self, UnitError> {
                if ($low..=$high).contains(&value) {
                    Ok(Self(value))
                } else {
                    Err(UnitError::OutOfRange { what: $what, value, low: $low, high: $high, unit: $unit })
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

within!(
    /// Age in whole or broken years; 90 stands for 90 and older, because greater ages lead to persons (PS3.15, HIPAA §164.514).
    AgeYears,
    "an age", 0.0 to 90.0, "years (90 stands for 90 and older)"
);
within!(
    /// Mass of a person, kg.
    BodyMass,
    "a body mass", 2.0 to 350.0, "kg"
);
within!(
    /// Mass over height squared, kg/m².
    BodyMassIndex,
    "a body mass index", 10.0 to 80.0, "kg/m²"
);
within!(
    /// Heart beats or breaths a minute.
    RatePerMinute,
    "a rate", 0.0 to 300.0, "per minute"
);
within!(
    /// A pressure of blood or gas as a monitor shows it, mmHg.
    PressureMmhg,
    "a pressure", 0.0 to 350.0, "mmHg"
);
within!(
    /// A share, per cent.
    Percent,
    "a share", 0.0 to 100.0, "per cent"
);
within!(
    /// Haemoglobin of blood, g/dl.
    Haemoglobin,
    "a haemoglobin", 2.0 to 25.0, "g/dl"
);
within!(
    /// Platelets of blood, thousands per µl.
    Platelets,
    "a platelet count", 1.0 to 2000.0, "thousands per µl"
);
within!(
    /// International normalised ratio of the prothrombin time.
    Inr,
    "an INR", 0.5 to 20.0, "(a ratio)"
);

within!(
    /// A share of a whole.
    Share,
    "a share", 0.0 to 1.0, "of a whole"
);
within!(
    /// Pressure of an insufflator, mmHg; above 25 nobody operates.
    InsufflationMmhg,
    "an insufflation pressure", 0.0 to 25.0, "mmHg"
);
within!(
    /// A rate of bleeding, ml/min.
    MillilitresPerMinute,
    "a rate of bleeding", 0.0 to 5000.0, "ml/min"
);
within!(
    /// An amount of fluid, ml.
    Millilitres,
    "an amount of fluid", 0.0 to 10_000.0, "ml"
);
within!(
    /// What a ventilator moves, l/min.
    MinuteVolume,
    "a minute volume", 0.0 to 30.0, "l/min"
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
    fn a_value_out_of_its_range_says_the_range() {
        let fault = AgeYears::try_from(104.0).expect_err("ages above 90 lead to persons");
        assert_eq!(fault.to_string(), "an age of 104 is outside 0 to 90 years (90 stands for 90 and older)");
        assert!(RatePerMinute::try_from(f64::NAN).is_err());
        assert_eq!(Percent::try_from(98.0).map(Percent::get), Ok(98.0));
    }

    #[test]
    fn infinite_and_negative_quantities_are_refused() {
        for bad in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(Pascals::try_from(bad).is_err(), "{bad}");
        }
    }
}
