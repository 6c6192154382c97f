//! Controllers: a grip's pose moves a tool's tip, its trigger closes the jaws, and its squeeze lets the hand move without the tool.

use bevy::prelude::*;
use bevy_mod_openxr::{
    action_binding::{OxrSendActionBindings, OxrSuggestActionBinding},
    action_set_attaching::OxrAttachActionSet,
    action_set_syncing::{OxrActionSetSyncSet, OxrSyncActionSet},
    openxr_session_running,
    resources::OxrInstance,
    session::OxrSession,
};
use bevy_mod_xr::{
    session::{XrSessionCreated, XrTrackingRoot, session_available},
    spaces::XrSpaceLocationFlags,
};
use openxr::Posef;

use crate::{
    geom::Pose,
    instrument::{HandInput, Side},
    theatre::DeskSystems,
    tracking::plugin::LiveHands,
};

/// The tip of a tool lies this far in front of the grip that holds it, m.
const TIP_AHEAD_M: f32 = 0.10;
/// A grip squeezed further than this lets go of its tool's place.
const CLUTCH: f32 = 0.6;

/// What the controllers are asked for, by hand.
#[derive(Resource)]
struct Actions {
    set: openxr::ActionSet,
    grips: [openxr::Action<Posef>; 2],
    triggers: [openxr::Action<f32>; 2],
    squeezes: [openxr::Action<f32>; 2],
}

/// A grip as the headset reports it, below the tracking root.
#[derive(Component)]
struct Grip(Side);

/// What the clutch has shifted each hand by, world, m, and where each tool was left while it is held.
#[derive(Resource, Default)]
struct Clutch([ClutchHand; 2]);

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Clutch>()
        .add_systems(Startup, create_actions.run_if(session_available))
        .add_systems(XrSessionCreated, attach_actions.run_if(resource_exists::<Actions>))
        .add_systems(OxrSendActionBindings, suggest_bindings.run_if(resource_exists::<Actions>))
        .add_systems(
            PreUpdate,
            sync_actions.before(OxrActionSetSyncSet).run_if(openxr_session_running).run_if(resource_exists::<Actions>),
        )
        .add_systems(
            RunFixedMainLoop,
            move_hands
                .after(DeskSystems)
                .in_set(RunFixedMainLoopSystems::BeforeFixedMainLoop)
                .run_if(openxr_session_running)
                .run_if(resource_exists::<Actions>),
        );
}

fn create_actions(instance: Res<OxrInstance>, mut commands: Commands) {
    let create = || -> openxr::Result<Actions> {
        let set = instance.create_action_set("operate", "Operate", 0)?;
        let [left, right] = Side::BOTH.map(|side| {
            let (name, title) = (side.name(), if side == Side::Left { "Left" } else { "Right" });
            Ok((
                set.create_action::<Posef>(&format!("{name}_grip"), &format!("{title} grip"), &[])?,
                set.create_action::<f32>(&format!("{name}_jaws"), &format!("{title} jaws"), &[])?,
                set.create_action::<f32>(&format!("{name}_clutch"), &format!("{title} clutch"), &[])?,
            ))
        });
        let (left, right): ((_, _, _), (_, _, _)) = (left?, right?);
        Ok(Actions { set, grips: [left.0, right.0], triggers: [left.1, right.1], squeezes: [left.2, right.2] })
    };
    match create() {
        Ok(actions) => commands.insert_resource(actions),
        Err(why) => eprintln!("the controllers cannot be used: {why}"),
    }
}

/// Controllers that are known, with the paths of their trigger and squeeze; a simple controller has one button and no squeeze.
const PROFILES: [(&str, &str, Option<&str>); 3] = [
    ("/interaction_profiles/khr/simple_controller", "input/select/click", None),
    ("/interaction_profiles/oculus/touch_controller", "input/trigger/value", Some("input/squeeze/value")),
    ("/interaction_profiles/valve/index_controller", "input/trigger/value", Some("input/squeeze/value")),
];

fn suggest_bindings(actions: Res<Actions>, mut bindings: MessageWriter<OxrSuggestActionBinding>) {
    for (profile, trigger, squeeze) in PROFILES {
        for side in Side::BOTH {
            let (i, hand) = (side.index(), side.name());
            let mut suggest = |action: openxr::sys::Action, input: &str| {
                bindings.write(OxrSuggestActionBinding {
                    action,
                    interaction_profile: profile.into(),
                    bindings: vec![format!("/user/hand/{hand}/{input}").into()],
                });
            };
            suggest(actions.grips[i].as_raw(), "input/grip/pose");
            suggest(actions.triggers[i].as_raw(), trigger);
            if let Some(squeeze) = squeeze {
                suggest(actions.squeezes[i].as_raw(), squeeze);
            }
        }
    }
}

fn attach_actions(
    actions: Res<Actions>,
    session: Res<OxrSession>,
    mut commands: Commands,
    mut attach: MessageWriter<OxrAttachActionSet>,
) {
    for side in Side::BOTH {
        match session.create_action_space(&actions.grips[side.index()], openxr::Path::NULL, Isometry3d::IDENTITY) {
            Ok(space) => {
                commands.spawn((space, Grip(side)));
            }
            Err(why) => eprintln!("the {} controller cannot be followed: {why}", side.name()),
        }
    }
    attach.write(OxrAttachActionSet(actions.set.clone()));
}

fn sync_actions(actions: Res<Actions>, mut sync: MessageWriter<OxrSyncActionSet>) {
    sync.write(OxrSyncActionSet(actions.set.clone()));
}

fn move_hands(
    grips: Query<(&Grip, &Transform, &XrSpaceLocationFlags)>,
    roots: Query<&Transform, With<XrTrackingRoot>>,
    actions: Res<Actions>,
    session: Res<OxrSession>,
    mut clutch: ResMut<Clutch>,
    mut live: ResMut<LiveHands>,
) {
    // the grips' transforms are of this frame, their global transforms of the last
    let Ok(root) = roots.single() else { return };
    let world_from_playspace = Pose { position: root.translation, rotation: root.rotation };
    for (Grip(side), grip, flags) in &grips {
        if !(flags.position_tracked && flags.rotation_tracked) {
            continue; // a hand that is not seen leaves its tool where it is
        }
        let i = side.index();
        let value =
            |action: &openxr::Action<f32>| action.state(&session, openxr::Path::NULL).map_or(0.0, |state| state.current_state);
        let tip = tip_of(world_from_playspace * Pose { position: grip.translation, rotation: grip.rotation });
        let pose = clutch.0[i].follow(tip, value(&actions.squeezes[i]) > CLUTCH);
        live.0[i] = Some(HandInput { pose, closure: value(&actions.triggers[i]) });
    }
}

/// The pose that a grip (world) asks of a tool's tip.
pub fn tip_of(grip: Pose) -> Pose {
    Pose { position: grip * (Vec3::NEG_Z * TIP_AHEAD_M), rotation: grip.rotation }
}

/// One hand's clutch.
#[derive(Debug, Clone, Copy, Default)]
struct ClutchHand {
    shift: Vec3,
    left_at: Option<Pose>,
}

impl ClutchHand {
    /// Where the tool is to be for a hand at `tip`: while the clutch is held, where it was; afterwards, it follows from there.
    fn follow(&mut self, tip: Pose, is_held: bool) -> Pose {
        let free = Pose { position: tip.position + self.shift, ..tip };
        match (is_held, self.left_at) {
            (true, Some(left_at)) => left_at,
            (true, None) => {
                self.left_at = Some(free);
                free
            }
            (false, Some(left_at)) => {
                self.shift = left_at.position - tip.position;
                self.left_at = None;
                Pose { position: left_at.position, ..tip }
            }
            (false, None) => free,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_rests_while_its_clutch_is_held_and_goes_on_from_there() {
        let mut hand = ClutchHand::default();
        let at = |x: f32| Pose { position: Vec3::X * x, rotation: Quat::IDENTITY };
        assert_eq!(hand.follow(at(0.1), false), at(0.1));
        assert_eq!(hand.follow(at(0.2), true), at(0.2));
        assert_eq!(hand.follow(at(0.5), true), at(0.2));
        assert!((hand.follow(at(0.5), false).position - Vec3::X * 0.2).length() < 1e-6);
        assert!((hand.follow(at(0.6), false).position - Vec3::X * 0.3).length() < 1e-6);
    }

    #[test]
    fn the_tip_is_in_front_of_the_grip() {
        let grip = Pose { position: Vec3::new(0.2, 1.0, -0.3), rotation: Quat::IDENTITY };
        assert!((tip_of(grip).position - Vec3::new(0.2, 1.0, -0.3 - TIP_AHEAD_M)).length() < 1e-6);
    }
}
