//! The engine's side of [`crate::tracking`]: one input frame a tick, from whichever source the session has.

use bevy::prelude::*;

use super::{Bot, Motion, RingSight, Sight, WedgeGeometry};
use crate::{
    clock::plugin::{SessionSystems, Tick},
    geom::Pose,
    instrument::{
        HandInput, InputFrame, Side,
        plugin::{Inputs, Tool},
    },
    rigid::plugin::RingObject,
    tissue::plugin::Tissue,
};

/// Where this session's poses come from.
#[derive(Resource)]
pub enum PoseSource {
    /// Mouse, keyboard or controllers: whatever [`LiveHands`] holds when the tick begins.
    Live,
    Bot(Box<Bot>),
    Motion(Motion),
    /// The recorded inputs of another session.
    Replay(std::vec::IntoIter<InputFrame>),
}

/// The latest word of the devices, written by the theatre or the headset between ticks.
#[derive(Resource, Debug, Clone, Copy, Default)]
pub struct LiveHands(pub [Option<HandInput>; 2]);

/// Set when a motion file or a replay has no more to say.
#[derive(Resource, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceIsOver(pub bool);

/// What a bot may know of the excision: the wedge it was asked to take out.
#[derive(Resource, Debug, Clone, Copy)]
pub struct Excision(pub WedgeGeometry);

/// Freezes the inputs of each tick.
pub struct TrackingPlugin;

impl Plugin for TrackingPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<LiveHands>()
            .init_resource::<SourceIsOver>()
            .insert_resource(PoseSource::Live)
            .add_systems(FixedUpdate, freeze_inputs.in_set(SessionSystems::Track));
    }
}

fn freeze_inputs(
    mut source: ResMut<PoseSource>,
    live: Res<LiveHands>,
    tick: Res<Tick>,
    mut inputs: ResMut<Inputs>,
    mut over: ResMut<SourceIsOver>,
    tools: Query<&Tool>,
    tissues: Query<&Tissue>,
    rings: Query<(&RingObject, &Transform)>,
    excision: Option<Res<Excision>>,
) {
    inputs.0 = match source.as_mut() {
        PoseSource::Live => InputFrame { hands: live.0 },
        PoseSource::Motion(motion) => {
            over.0 = motion.is_over(tick.0);
            motion.frame(tick.0)
        }
        PoseSource::Replay(frames) => {
            let frame = frames.next();
            over.0 = frames.as_slice().is_empty();
            frame.unwrap_or_default()
        }
        PoseSource::Bot(bot) => {
            let view = View {
                tools: Side::BOTH.map(|side| tools.iter().find(|tool| tool.side == side)),
                tissue: tissues.iter().next(),
                rings: see_rings(&rings),
                excision: excision.map(|excision| excision.0),
            };
            bot.tick(&view)
        }
    };
}

fn see_rings(rings: &Query<(&RingObject, &Transform)>) -> Vec<RingSight> {
    let mut seen: Vec<_> = rings
        .iter()
        .map(|(ring, transform)| RingSight {
            name: ring.name.clone(),
            pose: Pose { position: transform.translation, rotation: transform.rotation },
            walls: ring.shape.wall_middles(),
            on_peg: ring.on_peg,
            held_by: ring.holds.iter().filter_map(|(tool, _)| Side::BOTH.get(*tool as usize).copied()).collect(),
            lost: ring.lost,
        })
        .collect();
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    seen
}

struct View<'a> {
    tools: [Option<&'a Tool>; 2],
    tissue: Option<&'a Tissue>,
    rings: Vec<RingSight>,
    excision: Option<WedgeGeometry>,
}

impl Sight for View<'_> {
    fn tip(&self, side: Side) -> Option<Pose> {
        self.tools[side.index()].map(|tool| tool.pose)
    }

    fn holds(&self, side: Side) -> bool {
        self.tools[side.index()].is_some_and(|tool| tool.holding.is_some())
    }

    fn rings(&self) -> &[RingSight] {
        &self.rings
    }

    fn tissue_at(&self, rest: Vec3) -> Vec3 {
        self.tissue.map_or(rest, |tissue| tissue.body.deformed(&tissue.body.material_point(rest)))
    }

    fn is_free(&self) -> bool {
        self.tissue
            .zip(self.excision)
            .is_some_and(|(tissue, wedge)| tissue.body.is_free_at(&tissue.body.material_point(wedge.lesion)))
    }

    fn bridge(&self) -> Option<Vec3> {
        let (tissue, wedge) = self.tissue.zip(self.excision)?;
        tissue.body.link_across(wedge.lesion, |point| wedge.contains(point))
    }
}
