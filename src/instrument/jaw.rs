//! Jaws: how far they are open, and the moments that matter.

use super::ToolSpec;
use crate::clock::TICK_SECS;

/// Jaws that follow the hand at a limited rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jaw {
    /// Angle between the two jaws, rad.
    pub angle_rad: f32,
    /// The same a tick ago, rad.
    pub previous_rad: f32,
    /// Whether they have bitten since they last opened.
    pub closed: bool,
    /// The widest angle since they last bit, rad: how much a stroke of scissors takes.
    pub widest_rad: f32,
}

/// A moment in the life of a jaw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JawEvent {
    /// They came together from `widest_rad` apart.
    Bit { widest_rad: f32 },
    /// They let go.
    Opened,
}

impl Jaw {
    /// Jaws bite below this share of their full opening, and open above twice it.
    const BITE: f32 = 0.15;
    /// A hand closes an instrument in about 0.15 s; 8 rad/s is a full stroke in 0.12 s.
    const RATE_RAD_PER_S: f32 = 8.0;

    pub fn open(spec: &ToolSpec) -> Self {
        Self { angle_rad: spec.open_rad, previous_rad: spec.open_rad, closed: false, widest_rad: spec.open_rad }
    }

    /// How much of a stroke from `widest_rad` lies behind at `angle_rad`: 0 open, 1 where they bite.
    pub fn stroke(angle_rad: f32, widest_rad: f32, spec: &ToolSpec) -> f32 {
        let bite = Self::BITE * spec.open_rad;
        if widest_rad > bite { ((widest_rad - angle_rad) / (widest_rad - bite)).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// How hard closed jaws are pressed together, as a share of all they can: all when shut, half where they bite, nothing where they open.
    pub fn squeeze(&self, spec: &ToolSpec) -> f32 {
        (1.0 - self.angle_rad / (2.0 * Self::BITE * spec.open_rad)).clamp(0.0, 1.0)
    }

    /// Moves one tick toward `closure` (0 open, 1 closed).
    pub fn follow(&mut self, closure: f32, spec: &ToolSpec) -> Option<JawEvent> {
        let target = spec.open_rad * (1.0 - closure);
        self.previous_rad = self.angle_rad;
        let most = Self::RATE_RAD_PER_S * TICK_SECS;
        self.angle_rad += (target - self.angle_rad).clamp(-most, most);
        self.widest_rad = self.widest_rad.max(self.angle_rad);
        if !self.closed && self.angle_rad < Self::BITE * spec.open_rad {
            self.closed = true;
            let widest_rad = std::mem::replace(&mut self.widest_rad, self.angle_rad);
            Some(JawEvent::Bit { widest_rad })
        } else if self.closed && self.angle_rad > 2.0 * Self::BITE * spec.open_rad {
            self.closed = false;
            Some(JawEvent::Opened)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::ToolKind;

    #[test]
    fn a_stroke_bites_once_and_opens_once() {
        let spec = ToolKind::Scissors.spec();
        let mut jaw = Jaw::open(&spec);
        let mut events = Vec::new();
        for closure in std::iter::repeat_n(1.0, 30).chain(std::iter::repeat_n(0.0, 30)) {
            events.extend(jaw.follow(closure, &spec));
        }
        assert_eq!(events, [JawEvent::Bit { widest_rad: spec.open_rad }, JawEvent::Opened]);
    }

    /// The shares of a stroke that the ticks of a closing take add up to the whole of it, and none takes most of it.
    #[test]
    fn a_stroke_is_spread_over_the_ticks_in_which_the_jaws_close() {
        let spec = ToolKind::Scissors.spec();
        let mut jaw = Jaw::open(&spec);
        let (mut whole, mut most) = (0.0, 0.0f32);
        for _ in 0..30 {
            let was_open = !jaw.closed;
            let widest = match jaw.follow(1.0, &spec) {
                Some(JawEvent::Bit { widest_rad }) => widest_rad,
                _ => jaw.widest_rad,
            };
            if was_open {
                let share = Jaw::stroke(jaw.angle_rad, widest, &spec) - Jaw::stroke(jaw.previous_rad, widest, &spec);
                (whole, most) = (whole + share, most.max(share));
            }
        }
        assert!((whole - 1.0).abs() < 1e-5 && most < 0.2, "{whole} {most}");
    }

    #[test]
    fn trembling_at_the_threshold_is_not_a_second_bite() {
        let spec = ToolKind::Grasper.spec();
        let mut jaw = Jaw::open(&spec);
        let bites = (0..90)
            .filter_map(|i| jaw.follow(if i % 2 == 0 { 0.84 } else { 0.88 }, &spec))
            .filter(|event| matches!(event, JawEvent::Bit { .. }))
            .count();
        assert_eq!(bites, 1);
    }
}
