//! A motion file: the poses of a recorded performance, to be performed again.
//!
//! CSV with the header `t_s,hand,x_m,y_m,z_m,qx,qy,qz,qw,closure`: one row a hand and instant (`left` or `right`, world frame, tip of
//! the tool, jaws 0 open to 1 closed), times of a hand increasing. Between rows positions are linear and rotations take the short arc.

use std::path::{Path, PathBuf};

use glam::{Quat, Vec3};
use serde::Deserialize;

use crate::{
    clock::secs_at,
    geom::Pose,
    instrument::{HandInput, InputFrame, Side},
};

/// Why a motion file cannot be performed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MotionError {
    #[error("{}: cannot be read: {why}", path.display())]
    Io { path: PathBuf, why: std::io::Error },
    #[error("{}:{line}: {why}", path.display())]
    #[diagnostic(help(
        "the header is t_s,hand,x_m,y_m,z_m,qx,qy,qz,qw,closure; hand is left or right; metres, seconds, unit quaternions"
    ))]
    Row { path: PathBuf, line: u64, why: String },
    #[error("{}: holds no motion", path.display())]
    Empty { path: PathBuf },
}

#[derive(Deserialize)]
struct Row {
    t_s: f64,
    hand: Side,
    x_m: f32,
    y_m: f32,
    z_m: f32,
    qx: f32,
    qy: f32,
    qz: f32,
    qw: f32,
    closure: f32,
}

/// A recorded performance.
#[derive(Debug, Clone, Default)]
pub struct Motion {
    hands: [Vec<(f64, HandInput)>; 2],
}

impl Motion {
    /// Reads a motion file; every value is checked.
    pub fn read(path: &Path) -> Result<Self, MotionError> {
        let text = std::fs::read_to_string(path).map_err(|why| MotionError::Io { path: path.to_owned(), why })?;
        let mut motion = Self::default();
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        for (index, row) in reader.deserialize::<Row>().enumerate() {
            let fault = |line: u64, why: &str| MotionError::Row { path: path.to_owned(), line, why: why.to_owned() };
            let line = index as u64 + 2;
            let row = row.map_err(|why| fault(why.position().map_or(line, csv::Position::line), &why.to_string()))?;
            let pose = Pose {
                position: Vec3::new(row.x_m, row.y_m, row.z_m),
                rotation: Quat::from_xyzw(row.qx, row.qy, row.qz, row.qw),
            };
            let input = HandInput { pose, closure: row.closure }
                .sound()
                .ok_or_else(|| fault(line, "the pose is not a finite place within 10 m with a unit quaternion"))?;
            let hand = &mut motion.hands[row.hand.index()];
            if !row.t_s.is_finite() || hand.last().is_some_and(|(last, _)| row.t_s <= *last) {
                return Err(fault(line, "time does not increase"));
            }
            hand.push((row.t_s, input));
        }
        if motion.hands.iter().all(Vec::is_empty) {
            return Err(MotionError::Empty { path: path.to_owned() });
        }
        Ok(motion)
    }

    /// The inputs of tick `tick` (the first is 1); a hand holds its last pose when its rows are over.
    pub fn frame(&self, tick: u64) -> InputFrame {
        let t = secs_at(tick);
        InputFrame { hands: [0, 1].map(|hand| at(&self.hands[hand], t)) }
    }

    /// Whether tick `tick` is past the last row.
    pub fn is_over(&self, tick: u64) -> bool {
        let end = self.hands.iter().filter_map(|rows| rows.last()).map(|(t, _)| *t).fold(0.0, f64::max);
        secs_at(tick) > end
    }
}

fn at(rows: &[(f64, HandInput)], t: f64) -> Option<HandInput> {
    let next = rows.partition_point(|(time, _)| *time <= t);
    let (before, after) = (rows.get(next.wrapping_sub(1)), rows.get(next));
    match (before, after) {
        (Some((t0, a)), Some((t1, b))) => {
            let s = ((t - t0) / (t1 - t0)) as f32;
            Some(HandInput {
                pose: Pose {
                    position: a.pose.position.lerp(b.pose.position, s),
                    rotation: a.pose.rotation.lerp(b.pose.rotation, s),
                },
                closure: a.closure + (b.closure - a.closure) * s,
            })
        }
        (Some((_, held)), None) => Some(*held),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Motion, MotionError> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        Motion::read(file.path())
    }

    const HEADER: &str = "t_s,hand,x_m,y_m,z_m,qx,qy,qz,qw,closure\n";

    #[test]
    fn rows_are_joined_by_straight_lines() {
        let motion = read(&format!("{HEADER}0,left,0,0.1,0,0,0,0,1,0\n2,left,0.2,0.1,0,0,0,0,1,1\n")).expect("sound");
        let hand = motion.frame(90).hands[0].expect("left hand");
        assert!((hand.pose.position.x - 0.1).abs() < 1e-6 && (hand.closure - 0.5).abs() < 1e-6);
        assert_eq!(motion.frame(90).hands[1], None);
        assert!(!motion.is_over(180) && motion.is_over(181));
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        for (row, words) in [
            ("0,left,NaN,0,0,0,0,0,1,0", "finite"),
            ("0,middle,0,0,0,0,0,0,1,0", "middle"),
            ("0,left,zero,0,0,0,0,0,1,0", "zero"),
            ("0,left,0,0,0,0,0,0,0,0", "quaternion"),
        ] {
            let message = read(&format!("{HEADER}{row}\n")).expect_err(row).to_string();
            assert!(
                message.contains(":2:")
                    && (message.contains(words) || message.contains("invalid") || message.contains("unknown variant")),
                "{message}"
            );
        }
        let backwards = format!("{HEADER}1,left,0,0,0,0,0,0,1,0\n0,left,0,0,0,0,0,0,1,0\n");
        assert!(read(&backwards).expect_err("backwards").to_string().contains(":3: time"));
        assert!(matches!(read(HEADER), Err(MotionError::Empty { .. })));
    }
}
