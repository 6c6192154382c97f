//! The engine's side of [`crate::patient`]: the living body of a session, stepped in [`SessionSystems::Solve`].

use bevy::prelude::*;

use super::physiology::Physiology;
use crate::clock::{TICK_SECS, plugin::SessionSystems};

/// The patient's circulation and breathing; there is none in a case that does not ask for it.
#[derive(Resource, Debug, Clone)]
pub struct LivingBody(pub Physiology);

/// Keeps the patient alive, or not.
pub struct PatientPlugin;

impl Plugin for PatientPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(FixedUpdate, step_physiology.run_if(resource_exists::<LivingBody>).in_set(SessionSystems::Solve));
    }
}

/// Advances the body by a tick.
pub fn step_physiology(mut body: ResMut<LivingBody>) {
    body.0.step(f64::from(TICK_SECS));
}
