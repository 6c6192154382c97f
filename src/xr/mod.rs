//! Headset and controllers, through OpenXR: the two grips drive the two tools, both eyes see the theatre, and the read-outs stand on a
//! panel beyond the field. Without a runtime or a headset the theatre opens at the desk and says so.
//!
//! The headset reports in a space that stands on its floor; [`world_from_playspace`] puts the field in front of the person, at the
//! height of a table.

mod hands;
mod panel;

use bevy::prelude::*;
use bevy_mod_openxr::{add_xr_plugins, init::OxrInitPlugin, types::AppInfo};
use bevy_mod_xr::{
    camera::XrCamera,
    session::{XrState, XrTrackingRoot},
};

use crate::{
    geom::Pose,
    scenario::plugin::CaseRun,
    session::plugin::{SessionConfig, Source},
    theatre::{self, EyeLook, TheatreError, field_centre},
};

/// Height of the field above the floor on which the person stands, m: an operating table for someone of 1.75 m.
const FIELD_HEIGHT_M: f32 = 1.02;
/// The person stands this far from the middle of the field, m.
const STAND_BACK_M: f32 = 0.38;

/// Opens the theatre for a headset, or at the desk where there is none.
///
/// # Errors
/// As [`theatre::play`].
pub fn play(mut config: SessionConfig) -> Result<(), TheatreError> {
    if let Err(why) = find_headset() {
        eprintln!("no headset answers ({why}): the theatre opens at the desk");
        if matches!(config.source, Source::Live(_)) {
            config.source = Source::Live("mouse");
        }
        return theatre::play(config);
    }
    let desk = theatre::desk_plugins(&config);
    let app_info = AppInfo { name: "Halsted".into(), ..default() };
    // the headset's plugins bring a window of their own: ours is put back
    let plugins = add_xr_plugins(desk).set(OxrInitPlugin { app_info, ..default() }).set(theatre::desk_window());
    let mut app = theatre::theatre_app(config, plugins)?;
    app.add_plugins((hands::plugin, panel::plugin))
        .add_systems(Startup, say_when_refused)
        .add_systems(Update, (open_eyes, place_playspace));
    theatre::run(app)
}

/// Asks the OpenXR runtime for a headset; without one, the words why.
fn find_headset() -> Result<(), String> {
    #[cfg(windows)]
    let entry = openxr::Entry::linked();
    #[cfg(not(windows))]
    // SAFETY: the loader is the system's own shared library, loaded by its standard name; its initialisers run here.
    let entry = unsafe { openxr::Entry::load() }.map_err(|_| "there is no OpenXR loader".to_owned())?;
    let app = openxr::ApplicationInfo { application_name: "Halsted", ..default() };
    let instance =
        entry.create_instance(&app, &openxr::ExtensionSet::default(), &[]).map_err(|why| format!("the OpenXR runtime: {why}"))?;
    instance.system(openxr::FormFactor::HEAD_MOUNTED_DISPLAY).map_err(|why| format!("the OpenXR runtime: {why}"))?;
    Ok(())
}

/// The runtime answered, but would not draw with us.
fn say_when_refused(state: Option<Res<XrState>>) {
    if state.is_none_or(|state| *state == XrState::Unavailable) {
        eprintln!("the OpenXR runtime offers no session: the theatre stays at the desk");
    }
}

/// Both eyes see as the desk's camera does; smoothing edges twice over would cost more than it gives.
fn open_eyes(eyes: Query<Entity, Added<XrCamera>>, mut commands: Commands) {
    for eye in &eyes {
        commands.entity(eye).insert((Msaa::Off, EyeLook::default()));
    }
}

/// Where the floor under the person is in the theatre, for a field around `field` (world, m).
pub fn world_from_playspace(field: Vec3) -> Pose {
    Pose { position: field + Vec3::new(0.0, -FIELD_HEIGHT_M, STAND_BACK_M), rotation: Quat::IDENTITY }
}

fn place_playspace(case: Option<Res<CaseRun>>, mut roots: Query<&mut Transform, With<XrTrackingRoot>>) {
    let Some(case) = case else { return };
    let pose = world_from_playspace(field_centre(&case.scenario));
    let wanted = Transform::from_translation(pose.position).with_rotation(pose.rotation);
    for mut root in &mut roots {
        root.set_if_neq(wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_at_the_height_of_a_table_in_front_of_the_person() {
        let field = Vec3::new(0.016, 0.205, 0.0);
        let seen = world_from_playspace(field).inverse() * field;
        assert!((seen - Vec3::new(0.0, FIELD_HEIGHT_M, -STAND_BACK_M)).length() < 1e-6);
    }
}
