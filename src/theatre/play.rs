//! The theatre in a window: whoever sits at the desk operates, pauses, begins again, and sees a changed case at once.

use std::sync::{Arc, Mutex};

use bevy::{
    app::PluginGroupBuilder,
    asset::{AssetLoadError, AssetLoadFailedEvent, AssetPlugin},
    log::LogPlugin,
    prelude::*,
    render::renderer::RenderAdapterInfo,
    time::Virtual,
    window::{CursorGrabMode, CursorOptions, PresentMode, PrimaryWindow},
};

use super::{
    TheatreError, TheatrePlugin, gpu,
    hud::{self, HudNotices},
    marker, mouse, scan, scene,
};
use crate::{
    clock::plugin::{SessionState, Tick},
    scenario::plugin::{Case, CaseError},
    scoring,
    session::{
        SessionError, Trace,
        plugin::{Outcome, Recorder, RestartSession, SessionConfig, SimulationPlugins, case_folder},
    },
};

/// Opens the theatre in a window and runs it until the operator leaves.
///
/// # Errors
/// [`TheatreError`] where there is nothing to draw with, no screen to draw on, or the case cannot begin.
pub fn play(config: SessionConfig) -> Result<(), TheatreError> {
    let plugins = desk_plugins(&config);
    run(theatre_app(config, plugins)?)
}

/// The engine's plugins for a window, reading cases from the case's folder and watching it for changes.
pub fn desk_plugins(config: &SessionConfig) -> PluginGroupBuilder {
    DefaultPlugins
        .set(desk_window())
        .set(AssetPlugin { file_path: case_folder(&config.case), watch_for_changes_override: Some(true), ..default() })
        // faults of cases are told on the screen and in our own words
        .set(LogPlugin { filter: "error,bevy_asset=off,bevy_mod_openxr=off,wgpu=off,winit=off".to_owned(), ..default() })
}

/// The window that the theatre opens.
pub fn desk_window() -> WindowPlugin {
    let window =
        Window { title: "Halsted".to_owned(), resolution: (1280, 720).into(), present_mode: PresentMode::AutoVsync, ..default() };
    WindowPlugin { primary_window: Some(window), ..default() }
}

/// Why the session could not begin, for whoever started the app.
#[derive(Resource, Clone, Default)]
struct Fault(Arc<Mutex<Option<SessionError>>>);

/// A theatre at the desk on the given engine plugins.
///
/// # Errors
/// [`TheatreError::NoDriver`], [`TheatreError::NoWindow`].
pub fn theatre_app(config: SessionConfig, plugins: PluginGroupBuilder) -> Result<App, TheatreError> {
    drop(gpu::renderer()?);
    // the window's library panics where it finds no screen
    let built = gpu::quietly(|| {
        let mut app = App::new();
        app.add_plugins(plugins);
        app
    });
    let mut app = built.map_err(|_| TheatreError::NoWindow { why: why_no_window() })?;
    let is_live = matches!(config.source, crate::session::plugin::Source::Live(_));
    app.add_plugins((SimulationPlugins, TheatrePlugin, hud::plugin, marker::plugin, scan::plugin, scan::control_plugin))
        .insert_resource(config)
        .init_resource::<Fault>()
        .init_resource::<LateTicks>()
        .add_systems(Startup, (open_eyes, slow_down_rather_than_jump))
        .add_systems(PreUpdate, (forgive_changed_case, tell_faults))
        .add_systems(Update, (heed_keys, hold_cursor, watch_outcome))
        .add_systems(RunFixedMainLoop, note_late_ticks.in_set(RunFixedMainLoopSystems::AfterFixedMainLoop));
    if is_live {
        app.add_plugins(mouse::plugin);
    }
    Ok(app)
}

/// Runs a theatre until the operator leaves.
///
/// # Errors
/// What kept the session from beginning.
pub fn run(mut app: App) -> Result<(), TheatreError> {
    let fault = app.world_mut().get_resource_or_init::<Fault>().clone();
    app.run();
    match fault.0.lock().ok().and_then(|mut fault| fault.take()) {
        Some(fault) => Err(fault.into()),
        None => Ok(()),
    }
}

fn why_no_window() -> String {
    match std::env::var("DISPLAY") {
        Ok(display) if !display.is_empty() => format!("the display {display} does not answer, or a library of X11 is missing"),
        _ => "no display is named (DISPLAY is not set)".to_owned(),
    }
}

/// Side of a slice of the scan beside the field, hundredths of the window's height.
const PANEL_VH: f32 = 23.0;

fn open_eyes(adapter: Option<Res<RenderAdapterInfo>>, mut commands: Commands) {
    // a processor that draws by itself has better things to do than smooth edges
    let is_slow = adapter.is_some_and(|adapter| format!("{:?}", adapter.device_type) == "Cpu");
    let smoothing = if is_slow { Msaa::Off } else { Msaa::Sample4 };
    let camera = commands.spawn((scene::camera(), smoothing, IsDefaultUiCamera)).id();
    hud::spawn_hud(&mut commands, camera);
    scan::spawn_panels(&mut commands, camera, scan::PanelLayout::Column(PANEL_VH));
}

/// A slow machine shows a slower patient; it does not skip what happened. Nine ticks are a tenth of a second.
fn slow_down_rather_than_jump(mut time: ResMut<Time<Virtual>>) {
    time.set_max_delta(std::time::Duration::from_millis(100));
}

/// Ticks that began late, for the screen.
#[derive(Resource, Default)]
pub(super) struct LateTicks {
    last: u64,
    pub count: u64,
}

/// More than this many ticks in one frame means that the display fell below 30 Hz: the hands were read too late for all but the first.
const PUNCTUAL_TICKS: u64 = 3;

fn note_late_ticks(tick: Res<Tick>, recorder: Option<ResMut<Recorder>>, mut late: ResMut<LateTicks>) {
    let ran = tick.0.saturating_sub(late.last);
    if tick.0 < late.last {
        late.count = 0;
    }
    late.last = tick.0;
    if ran > PUNCTUAL_TICKS
        && let Some(mut recorder) = recorder
    {
        late.count += ran - 1;
        recorder.late = true;
    }
}

fn heed_keys(
    keys: Res<ButtonInput<KeyCode>>,
    mut state: ResMut<SessionState>,
    mut outcome: ResMut<Outcome>,
    mut notices: ResMut<HudNotices>,
    mut commands: Commands,
    mut exit: MessageWriter<AppExit>,
) {
    if keys.just_pressed(KeyCode::KeyH) {
        notices.help = !notices.help;
    }
    if keys.just_pressed(KeyCode::KeyR) {
        outcome.0 = None;
        *notices = HudNotices { help: notices.help, ..default() };
        commands.trigger(RestartSession);
    }
    if keys.just_pressed(KeyCode::KeyP) {
        match *state {
            SessionState::Running => *state = SessionState::Paused,
            SessionState::Paused => *state = SessionState::Running,
            _ => {}
        }
    }
    if keys.just_pressed(KeyCode::Escape) {
        if *state == SessionState::Running {
            *state = SessionState::Paused;
        } else {
            exit.write(AppExit::Success);
        }
    }
}

/// The pointer is the operator's hand while the session runs, and the desktop's otherwise.
fn hold_cursor(state: Res<SessionState>, mut windows: Query<(&Window, &mut CursorOptions), With<PrimaryWindow>>) {
    for (window, mut cursor) in &mut windows {
        let held = *state == SessionState::Running && window.focused;
        let wanted = (!held, if held { CursorGrabMode::Locked } else { CursorGrabMode::None });
        if (cursor.visible, cursor.grab_mode) != wanted {
            (cursor.visible, cursor.grab_mode) = wanted;
        }
    }
}

/// A case that was saved again deserves another try.
fn forgive_changed_case(
    mut changes: MessageReader<AssetEvent<Case>>,
    mut outcome: ResMut<Outcome>,
    mut notices: ResMut<HudNotices>,
) {
    if changes.read().any(|event| matches!(event, AssetEvent::Modified { .. })) {
        outcome.0 = None;
        *notices = HudNotices { help: notices.help, ..default() };
    }
}

/// A mistake in a case that is open: told with its place, while the last good case goes on.
fn tell_faults(mut failures: MessageReader<AssetLoadFailedEvent<Case>>, mut notices: ResMut<HudNotices>) {
    for failure in failures.read() {
        let text = match &failure.error {
            AssetLoadError::AssetLoaderError(fault) => {
                fault.error().downcast_ref::<CaseError>().map_or_else(|| fault.error().to_string(), CaseError::to_string)
            }
            other => other.to_string(),
        };
        notices.fault = Some(text);
    }
}

fn watch_outcome(
    mut outcome: ResMut<Outcome>,
    recorder: Option<Res<Recorder>>,
    mut notices: ResMut<HudNotices>,
    fault: Res<Fault>,
    mut exit: MessageWriter<AppExit>,
) {
    match &outcome.0 {
        Some(Err(_)) if recorder.is_none() => {
            if let (Some(Err(why)), Ok(mut slot)) = (outcome.0.take(), fault.0.lock()) {
                *slot = Some(why);
            }
            exit.write(AppExit::error());
        }
        Some(Err(why)) if notices.fault.is_none() => notices.fault = Some(why.to_string()),
        Some(Ok(trace)) if notices.result.is_none() => notices.result = Some(result_of(trace)),
        _ => {}
    }
}

/// What the attempt was worth, in a few lines.
fn result_of(trace: &Trace) -> String {
    let rubric = match scoring::rubric_of(trace) {
        Ok(rubric) => rubric,
        Err(why) => return format!("The attempt cannot be scored: {why}"),
    };
    let steps = crate::scenario::parse(&trace.header.scenario_ron, &trace.header.case)
        .map(|case| case.steps.iter().map(|step| step.id.clone()).collect::<Vec<_>>())
        .unwrap_or_default();
    let score = scoring::score(trace, &rubric, &steps, None);
    let verdict = match (score.passed, score.completed) {
        (true, _) => "Passed",
        (false, true) => "Completed, not passed",
        (false, false) => "Not completed",
    };
    let mut lines = vec![
        format!("{verdict}: {:.1} of {:.0} points in {:.1} s", score.score.raw, score.score.max, trace.duration_secs()),
        String::new(),
    ];
    lines.extend(score.items.iter().map(|item| {
        let value =
            item.value.map_or("-".to_owned(), |value| format!("{value:.2} {}", if item.unit == "1" { "" } else { item.unit }));
        format!("{:<44}{value:>14}{:>8.1} / {:.0}", item.title.chars().take(43).collect::<String>(), item.points, item.max)
    }));
    lines.extend(
        score.errors.iter().map(|error| {
            format!("{} {} at {:.1} s", if error.critical { "CRITICAL ERROR" } else { "error" }, error.id, error.t_s)
        }),
    );
    lines.join("\n")
}
