//! Eight elements side by side: arithmetic on `[f32; 8]` that the compiler turns into the widest registers of the machine.
//!
//! The width is fixed and every operation is an IEEE addition, multiplication, division or square root on its own lane, never fused,
//! so an outcome does not depend on the processor. [`Real`] lets a formula be written once and run on one number (tests) or on eight.

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Elements a batch holds.
pub const WIDTH: usize = 8;

/// A number, or several numbers side by side.
pub trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    fn of(value: f32) -> Self;
    fn sqrt(self) -> Self;
    fn at_most(self, other: Self) -> Self;
    fn at_least(self, other: Self) -> Self;
}

macro_rules! real {
    ($number:ty) => {
        impl Real for $number {
            #[inline(always)]
            fn of(value: f32) -> Self {
                value as $number
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn at_most(self, other: Self) -> Self {
                if other < self { other } else { self }
            }
            #[inline(always)]
            fn at_least(self, other: Self) -> Self {
                if other > self { other } else { self }
            }
        }
    };
}
real!(f32);
real!(f64);

/// Eight `f32` side by side.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(32))]
pub struct Lanes(pub [f32; WIDTH]);

macro_rules! lane_operator {
    ($operator:ident, $method:ident, $symbol:tt) => {
        impl $operator for Lanes {
            type Output = Lanes;
            #[inline(always)]
            fn $method(self, other: Lanes) -> Lanes {
                let mut out = [0.0; WIDTH];
                for lane in 0..WIDTH {
                    out[lane] = self.0[lane] $symbol other.0[lane];
                }
                Lanes(out)
            }
        }
    };
}
lane_operator!(Add, add, +);
lane_operator!(Sub, sub, -);
lane_operator!(Mul, mul, *);
lane_operator!(Div, div, /);

impl Neg for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn neg(self) -> Lanes {
        self.each(|value| -value)
    }
}

impl Lanes {
    pub const ZERO: Self = Self([0.0; WIDTH]);

    #[inline(always)]
    fn each(self, f: impl Fn(f32) -> f32) -> Self {
        let mut out = [0.0; WIDTH];
        for lane in 0..WIDTH {
            out[lane] = f(self.0[lane]);
        }
        Lanes(out)
    }
}

impl Real for Lanes {
    #[inline(always)]
    fn of(value: f32) -> Self {
        Lanes([value; WIDTH])
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.each(f32::sqrt)
    }
    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        let mut out = self.0;
        for lane in 0..WIDTH {
            out[lane] = out[lane].at_most(other.0[lane]);
        }
        Lanes(out)
    }
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        let mut out = self.0;
        for lane in 0..WIDTH {
            out[lane] = out[lane].at_least(other.0[lane]);
        }
        Lanes(out)
    }
}

/// Runs a block compiled for the widest registers that the machine turns out to have. Its inputs are listed with their types, for lifetime `'a`,
/// because a closure would be compiled for the narrowest machine and only called from the wide code.
macro_rules! widest {
    (($($name:ident: $type:ty = $value:expr),+ $(,)?) -> $output:ty $body:block) => {{
        struct Kernel<'a> {
            $($name: $type,)+
            lifetime: std::marker::PhantomData<&'a ()>,
        }
        impl<'a> pulp::WithSimd for Kernel<'a> {
            type Output = $output;
            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, _: S) -> $output {
                let Self { $($name,)+ .. } = self;
                $body
            }
        }
        pulp::Arch::new().dispatch(Kernel { $($name: $value,)+ lifetime: std::marker::PhantomData })
    }};
}
pub(super) use widest;

/// Dot products of rows of one length, `out[i][j]` = `a[i]`·`b[j]`, each in eight running sums that are added in a fixed order.
#[inline(always)]
pub fn dots<const ROWS: usize, const COLUMNS: usize>(a: [&[f32]; ROWS], b: [&[f32]; COLUMNS]) -> [[f32; COLUMNS]; ROWS] {
    let len = a[0].len();
    let (a, b) = (a.map(|row| &row[..len]), b.map(|row| &row[..len]));
    let mut sums = [[Lanes::ZERO; COLUMNS]; ROWS];
    let whole = len / WIDTH * WIDTH;
    let mut at = 0;
    while at < whole {
        for i in 0..ROWS {
            let mut mine = [0.0; WIDTH];
            mine.copy_from_slice(&a[i][at..at + WIDTH]);
            for j in 0..COLUMNS {
                let mut other = [0.0; WIDTH];
                other.copy_from_slice(&b[j][at..at + WIDTH]);
                sums[i][j] = sums[i][j] + Lanes(mine) * Lanes(other);
            }
        }
        at += WIDTH;
    }
    let mut out = [[0.0; COLUMNS]; ROWS];
    for i in 0..ROWS {
        for j in 0..COLUMNS {
            let s = sums[i][j].0;
            let mut sum = ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
            for k in whole..len {
                sum += a[i][k] * b[j][k];
            }
            out[i][j] = sum;
        }
    }
    out
}
