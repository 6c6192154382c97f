//! The phases of a tick as system sets, and the number of the tick.

use bevy::{ecs::schedule::SingleThreadedExecutor, prelude::*};

use super::{TICK_HZ, secs_at};

/// The phases of a tick, in the order in which they run.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionSystems {
    /// Freezes the poses, buttons and hands of this tick into an input frame; nothing later reads a device.
    Track,
    /// Tools open, close, grasp and cut.
    Act,
    /// Tissue and rigid bodies move.
    Solve,
    /// What happened becomes messages.
    Observe,
    /// The case's steps, complications and hints.
    Script,
    /// The tick is appended to the trace.
    Record,
}

/// The number of the tick in progress; 0 before the first.
#[derive(Resource, Debug, Clone, Copy, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// Session time at the end of this tick, s.
    pub fn secs(self) -> f64 {
        secs_at(self.0)
    }
}

/// Whether ticks do anything: a session exists, is not paused and has not ended.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionState {
    #[default]
    Waiting,
    Running,
    Paused,
    Ended,
}

/// Run condition of every phase.
pub fn session_is_running(state: Res<SessionState>) -> bool {
    *state == SessionState::Running
}

/// Adds the clock: 90 ticks a second, the phases chained, all of them asleep until a session runs.
pub struct ClockPlugin;

impl Plugin for ClockPlugin {
    fn build(&self, app: &mut App) {
        use SessionSystems::*;
        // a tick is one chain of short systems: handing each to another thread costs more than it does
        app.edit_schedule(FixedUpdate, |schedule| {
            schedule.set_executor(SingleThreadedExecutor::new());
        });
        app.insert_resource(Time::<Fixed>::from_hz(TICK_HZ as f64))
            .init_resource::<Tick>()
            .init_resource::<SessionState>()
            .configure_sets(FixedUpdate, (Track, Act, Solve, Observe, Script, Record).chain().run_if(session_is_running))
            .add_systems(FixedUpdate, count_tick.before(Track).run_if(session_is_running));
    }
}

fn count_tick(mut tick: ResMut<Tick>) {
    tick.0 += 1;
}
