//! How far, how directly and how steadily a tip moved.

use std::ops::Range;

use glam::{DQuat, DVec3};
use nalgebra::Matrix3;

use super::{SparcSettings, Trajectory, Undefined, dlj, dlj_3d, ldlj, njerk, sparc};

/// Below this a tip is idle, and a movement ends, m/s.
pub const IDLE_SPEED: f64 = 0.005;
/// A shorter rest is not idle time, s.
pub const IDLE_MIN_SECS: f64 = 0.5;
/// A movement begins at this speed, m/s (the hysteresis of ICSAD's counting, Datta et al. 2001, with this project's thresholds).
pub const MOVEMENT_START_SPEED: f64 = 0.010;
/// A shorter one is not counted, s.
pub const MOVEMENT_MIN_SECS: f64 = 0.1;

/// Below this path a tip has not moved, m.
const REST_PATH: f64 = 1e-9;

/// A trajectory with its velocities, ready to be measured. Velocity is the forward difference: one fewer than samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Motion {
    pub t: Vec<f64>,
    pub p: Vec<DVec3>,
    pub q: Option<Vec<DQuat>>,
    /// Length of each interval, s.
    pub dt: Vec<f64>,
    pub velocity: Vec<DVec3>,
    pub speed: Vec<f64>,
    /// Samples a second: the mean rate of regular samples, the median of irregular ones.
    pub rate_hz: f64,
    /// Whether every interval is within 1 % of the median.
    pub regular: bool,
}

impl Motion {
    /// # Errors
    /// [`Undefined::TooFew`] below three samples.
    pub fn new(trajectory: Trajectory) -> Result<Self, Undefined> {
        let Trajectory { t, p, q } = trajectory;
        let n = t.len();
        if n < 3 {
            return Err(Undefined::TooFew { have: n, need: 3 });
        }
        let mut dt: Vec<f64> = t.windows(2).map(|w| w[1] - w[0]).collect();
        let typical = median(dt.clone()).unwrap_or(1.0);
        let regular = dt.iter().all(|d| (d - typical).abs() <= 0.01 * typical);
        let mut rate_hz = 1.0 / typical;
        if regular {
            // printed times are rounded; the rounding of one interval would be noise in the speed, and more in the jerk
            rate_hz = (n - 1) as f64 / (t[n - 1] - t[0]);
            dt.fill(1.0 / rate_hz);
        }
        let velocity: Vec<DVec3> = p.windows(2).zip(&dt).map(|(w, dt)| (w[1] - w[0]) / *dt).collect();
        let speed = velocity.iter().map(|v| v.length()).collect();
        Ok(Self { t, p, q, dt, velocity, speed, rate_hz, regular })
    }

    /// Time from the first sample to the last, s.
    pub fn duration(&self) -> f64 {
        self.t[self.t.len() - 1] - self.t[0]
    }

    /// Length of the polyline, m.
    pub fn path_length(&self) -> f64 {
        self.p.windows(2).map(|w| (w[1] - w[0]).length()).sum()
    }

    fn moved(&self) -> Result<f64, Undefined> {
        let path = self.path_length();
        if path < REST_PATH { Err(Undefined::NoMotion) } else { Ok(path) }
    }

    /// Straight lines through the samples `goals` (with the first and the last sample) over the path length: 1 is direct.
    pub fn economy(&self, goals: &[usize]) -> Result<f64, Undefined> {
        let path = self.moved()?;
        let last = self.p.len() - 1;
        let mut stops: Vec<usize> = std::iter::once(0).chain(goals.iter().map(|g| (*g).min(last))).chain([last]).collect();
        stops.sort_unstable();
        Ok(stops.windows(2).map(|w| (self.p[w[1]] - self.p[w[0]]).length()).sum::<f64>() / path)
    }

    /// Sum of the angles between consecutive orientations, rad.
    pub fn angular_path(&self) -> Result<f64, Undefined> {
        let q = self.q.as_ref().ok_or(Undefined::NoOrientation)?;
        // 2 atan2(|v|, |w|) is 2 acos|w| without its loss of digits near no rotation
        Ok(q.windows(2)
            .map(|w| w[0].normalize().conjugate() * w[1].normalize())
            .map(|d| 2.0 * libm::atan2(d.xyz().length(), d.w.abs()))
            .sum())
    }

    /// Movement along the shaft through `trocar`, m.
    pub fn depth_path(&self, trocar: DVec3) -> f64 {
        let depth: Vec<f64> = self.p.iter().map(|p| (*p - trocar).length()).collect();
        depth.windows(2).map(|w| (w[1] - w[0]).abs()).sum()
    }

    /// Sides of the axis-parallel box around the path, m.
    fn ranges(&self) -> DVec3 {
        let low = self.p.iter().copied().reduce(DVec3::min).unwrap_or_default();
        let high = self.p.iter().copied().reduce(DVec3::max).unwrap_or_default();
        high - low
    }

    /// Volume of the axis-parallel box around the path, m³.
    pub fn box_volume(&self) -> f64 {
        self.ranges().element_product()
    }

    /// Cube root of the box over the path length (Oropesa et al. 2013).
    pub fn economy_of_volume(&self) -> Result<f64, Undefined> {
        Ok(libm::cbrt(self.box_volume()) / self.moved()?)
    }

    /// Square root of the box's x–y face over the path length (Oropesa et al. 2013).
    pub fn economy_of_area(&self) -> Result<f64, Undefined> {
        let d = self.ranges();
        Ok((d.x * d.y).sqrt() / self.moved()?)
    }

    /// Volume of the ellipsoid of two standard deviations along the principal axes (population covariance), m³.
    pub fn ellipsoid_volume(&self) -> f64 {
        let n = self.p.len() as f64;
        let mean = self.p.iter().copied().sum::<DVec3>() / n;
        let mut covariance = Matrix3::<f64>::zeros();
        for p in &self.p {
            let d = (*p - mean).to_array();
            for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
                covariance[(i, j)] += d[i] * d[j] / n;
            }
        }
        if !covariance.iter().all(|c| c.is_finite()) {
            return f64::NAN; // the eigenvalue iteration would not end
        }
        let sd2 = covariance.symmetric_eigenvalues();
        4.0 / 3.0 * std::f64::consts::PI * sd2.iter().map(|l| 2.0 * l.max(0.0).sqrt()).product::<f64>()
    }

    /// Whether the tip rests, interval by interval, counting only rests of at least [`IDLE_MIN_SECS`].
    pub fn idle(&self) -> Vec<bool> {
        rests(&self.dt, |i| self.speed[i] < IDLE_SPEED)
    }

    /// Time in such rests, s.
    pub fn idle_time(&self) -> f64 {
        self.idle().iter().zip(&self.dt).filter(|(idle, _)| **idle).map(|(_, dt)| dt).sum()
    }

    /// The intervals of each movement: it begins at [`MOVEMENT_START_SPEED`], ends below [`IDLE_SPEED`], lasts [`MOVEMENT_MIN_SECS`].
    pub fn movements(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut begun = None;
        for i in 0..=self.speed.len() {
            let speed = self.speed.get(i).copied().unwrap_or(0.0);
            match begun {
                None if speed >= MOVEMENT_START_SPEED => begun = Some(i),
                Some(start) if speed < IDLE_SPEED => {
                    // rounding must not drop a movement of exactly the shortest length
                    if self.dt[start..i].iter().sum::<f64>() >= MOVEMENT_MIN_SECS - 1e-9 {
                        found.push(start..i);
                    }
                    begun = None;
                }
                _ => {}
            }
        }
        found
    }

    pub fn sparc(&self) -> Result<f64, Undefined> {
        self.moved()?;
        sparc(&self.speed, self.rate_hz, SparcSettings::default())
    }

    /// Dimensionless jerk of the velocity in space.
    pub fn dlj(&self) -> Result<f64, Undefined> {
        self.moved()?;
        dlj_3d(&self.velocity, self.rate_hz)
    }

    /// Dimensionless jerk of the speed.
    pub fn dlj_speed(&self) -> Result<f64, Undefined> {
        self.moved()?;
        dlj(&self.speed, self.rate_hz)
    }

    pub fn njerk(&self) -> Result<f64, Undefined> {
        njerk(&self.velocity, self.rate_hz, self.moved()?)
    }

    /// Median over the movements of what is defined for them.
    fn per_movement(&self, value: impl Fn(Range<usize>) -> Result<f64, Undefined>) -> Result<f64, Undefined> {
        median(self.movements().into_iter().filter_map(|m| value(m).ok()).collect()).ok_or(Undefined::NoMovement)
    }

    pub fn sparc_per_movement(&self) -> Result<f64, Undefined> {
        if self.rate_hz < 2.0 * SparcSettings::default().cutoff_hz {
            return self.sparc();
        }
        self.per_movement(|m| sparc(&self.speed[m], self.rate_hz, SparcSettings::default()))
    }

    pub fn ldlj_per_movement(&self) -> Result<f64, Undefined> {
        self.per_movement(|m| ldlj(dlj_3d(&self.velocity[m], self.rate_hz)?))
    }

    /// `PL / time`, m/s.
    pub fn mean_speed(&self) -> f64 {
        self.path_length() / self.duration()
    }
}

/// Marks the runs of intervals that satisfy `rest` and last at least [`IDLE_MIN_SECS`].
pub(super) fn rests(dt: &[f64], rest: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut out = vec![false; dt.len()];
    let mut start = 0;
    for i in 0..=dt.len() {
        if i == dt.len() || !rest(i) {
            if dt[start..i].iter().sum::<f64>() >= IDLE_MIN_SECS - 1e-9 {
                out[start..i].fill(true);
            }
            start = i + 1;
        }
    }
    out
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match (n, n % 2) {
        (0, _) => None,
        (_, 1) => Some(values[n / 2]),
        _ => Some(0.5 * (values[n / 2 - 1] + values[n / 2])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn motion(n: usize, p: impl Fn(f64) -> DVec3) -> Motion {
        let t: Vec<f64> = (0..n).map(|i| i as f64 / 100.0).collect();
        Motion::new(Trajectory { p: t.iter().map(|&t| p(t)).collect(), q: None, t }).unwrap()
    }

    fn helix() -> Motion {
        motion(601, |t| DVec3::new(0.02 * libm::cos(PI * t), 0.02 * libm::sin(PI * t), 0.005 * t))
    }

    fn close(value: f64, expected: f64, tolerance: f64) {
        println!("{:+.2e}", value - expected);
        assert!((value - expected).abs() < tolerance, "{value} {expected}");
    }

    #[test]
    fn the_helix_has_its_printed_values() {
        let m = helix();
        close(m.path_length(), 0.378167442635, 1e-12); // 12 decimals are printed
        close(m.box_volume(), 4.8e-5, 1e-18);
        close(m.economy_of_volume().unwrap(), 0.096101377, 1e-9);
        close(m.economy_of_area().unwrap(), 0.105773251, 1e-9);
        close(m.ellipsoid_volume(), 5.615058920822e-05, 1e-16);
        close(ldlj(m.dlj().unwrap()).unwrap(), -11.736140899, 1e-9);
        // a far trocar on the axis sees the movement along that axis; 1 km away the arc of 20 mm sags by 2e-7 m
        close(m.depth_path(DVec3::new(0.0, 0.0, -1000.0)), 0.03, 1e-8);
        close(m.depth_path(DVec3::new(-1e6, 0.0, 0.0)), 0.24, 1e-6);
    }

    #[test]
    fn the_straight_reach_has_its_printed_values() {
        let m = motion(101, |u| (10.0 * u.powi(3) - 15.0 * u.powi(4) + 6.0 * u.powi(5)) * DVec3::new(0.06, -0.03, 0.02));
        close(m.path_length(), 0.07, 1e-12);
        close(m.economy(&[]).unwrap(), 1.0, 1e-12);
        close(m.sparc().unwrap(), -1.405845852, 1e-9);
        close(ldlj(m.dlj().unwrap()).unwrap(), -5.223135642, 1e-9);
        close(ldlj(m.dlj_speed().unwrap()).unwrap(), -5.223135642, 1e-9);
        close(m.njerk().unwrap(), 18.053439483, 1e-9);
    }

    #[test]
    fn movements_are_counted_with_hysteresis() {
        // reaches of 0.05 m in 1 s; starts in hundredths of a second, count, time below 5 mm/s
        let table: [(&[usize], usize, f64); 6] = [
            (&[0], 1, 0.14),
            (&[0, 50], 1, 0.14),
            (&[0, 80], 1, 0.14),
            (&[0, 100], 2, 0.27),
            (&[0, 200], 2, 1.27),
            (&[0, 100, 200, 300, 400], 5, 0.66),
        ];
        for (starts, count, slow) in table {
            let n = starts[starts.len() - 1] + 101;
            let mut speed = vec![0.0; n];
            for start in starts {
                for i in 0..=100 {
                    let u = i as f64 / 100.0;
                    speed[start + i] += 0.05 * 30.0 * u * u * (1.0 - u) * (1.0 - u);
                }
            }
            let mut m = motion(n + 1, |t| DVec3::X * t);
            m.speed = speed;
            assert_eq!(m.movements().len(), count, "{starts:?}");
            let below = m.speed.iter().filter(|v| **v < IDLE_SPEED).count() as f64 / 100.0;
            assert!((below - slow).abs() < 1e-9, "{starts:?}: {below}");
            // only the dwell of 2 s starts holds a rest of half a second: 1.27 s less the 0.07 s at either end
            let idle = if starts == [0, 200] { 1.13 } else { 0.0 };
            assert!((m.idle_time() - idle).abs() < 0.011, "{starts:?}: {}", m.idle_time());
        }
    }

    #[test]
    fn turning_once_around_is_a_full_angle() {
        let mut m = helix();
        assert_eq!(m.angular_path(), Err(Undefined::NoOrientation));
        m.q = Some((0..=360).map(|i| DQuat::from_rotation_y((i as f64).to_radians())).collect());
        close(m.angular_path().unwrap(), 2.0 * PI, 1e-9); // 360 roundings of half angles
    }

    #[test]
    fn a_detour_halves_economy_and_a_goal_on_the_way_restores_it() {
        let m = motion(201, |t| if t <= 1.0 { DVec3::X * t } else { DVec3::X + DVec3::Y * (t - 1.0) });
        close(m.economy(&[]).unwrap(), 2f64.sqrt() / 2.0, 1e-12);
        close(m.economy(&[100]).unwrap(), 1.0, 1e-12);
    }

    #[test]
    fn a_tip_at_rest_has_no_economy_and_is_idle_all_the_time() {
        let m = motion(101, |_| DVec3::ONE);
        assert_eq!(m.economy(&[]), Err(Undefined::NoMotion));
        assert_eq!(m.sparc(), Err(Undefined::NoMotion));
        assert_eq!(m.economy_of_volume(), Err(Undefined::NoMotion));
        assert_eq!(m.ldlj_per_movement(), Err(Undefined::NoMovement));
        close(m.idle_time(), 1.0, 1e-9);
    }

    #[test]
    fn rounded_times_do_not_become_jerk() {
        let reach = |u: f64| DVec3::X * 0.1 * (10.0 * u.powi(3) - 15.0 * u.powi(4) + 6.0 * u.powi(5));
        let at = |round: f64| {
            let t: Vec<f64> = (0..=90).map(|i| (i as f64 / 90.0 / round).round() * round).collect();
            let p = (0..=90).map(|i| reach(i as f64 / 90.0)).collect();
            Motion::new(Trajectory { t, p, q: None }).unwrap().dlj().unwrap()
        };
        // the rate is off by at most 1e-4 of itself, and DLJ goes with none of it
        assert!((at(1e-4) / at(1e-12) - 1.0).abs() < 1e-3);
    }
}
