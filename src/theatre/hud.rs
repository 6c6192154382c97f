//! The read-outs: where in the case one is, time, force by hand, errors, what the keys do, and what the attempt was worth.

use bevy::{prelude::*, ui::UiTargetCamera};

use super::{mouse::Desk, play::LateTicks};
use crate::{
    clock::plugin::{SessionState, Tick},
    instrument::{
        Side,
        plugin::{Held, Tool},
    },
    patient::{physiology::Monitor, plugin::LivingBody},
    scenario::{
        Happening,
        plugin::{CaseHappening, CaseRun},
    },
};

/// The camera that the read-outs are drawn by.
#[derive(Resource, Debug, Clone, Copy)]
pub struct HudTarget(pub Entity);

/// What the screen has to say beside the numbers.
#[derive(Resource, Debug, Clone, Default)]
pub(super) struct HudNotices {
    /// A mistake in the case's file.
    pub fault: Option<String>,
    /// The score, once there is one.
    pub result: Option<String>,
    /// Whether the keys are explained.
    pub help: bool,
    /// Errors of the attempt: when, what, and whether critical.
    pub errors: Vec<(f64, String, bool)>,
}

#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Title,
    Steps,
    Hint,
    Clock,
    Hand(Side),
    /// The patient's monitor.
    Monitor,
    Errors,
    Help,
    Fault,
    Panel,
}

/// The bar of a hand's force.
#[derive(Component)]
struct Bar(Side);

/// Bears everything that the screen shows; the panel only while it has something to say.
#[derive(Component)]
struct PanelBox;

/// The root of the read-outs.
#[derive(Component)]
struct HudRoot;

const INK: Color = Color::srgb(0.90, 0.94, 0.94);
const QUIET: Color = Color::srgb(0.58, 0.66, 0.68);
const GLASS: Color = Color::srgba(0.01, 0.03, 0.04, 0.72);
const GREEN: Color = Color::srgb(0.25, 0.78, 0.42);
const AMBER: Color = Color::srgb(0.95, 0.70, 0.18);
const RED: Color = Color::srgb(0.95, 0.25, 0.20);

/// What a force bar shows at full length, as a multiple of the case's limit.
const FULL_SCALE: f32 = 1.5;

const HELP: &str = "\
mouse         move the tool over the field
wheel / right drag   lower and raise it
left button   close the jaws
Tab, 1, 2     change hands
Space         the other hand opens or closes
Q, E          roll
V, B, N       scan: slices, volume, window; L labels, C mesh, M measure
P pause   R again   H this help   Esc pause, then leave";

pub(super) fn plugin(app: &mut App) {
    app.insert_resource(HudNotices { help: true, ..default() })
        .add_systems(Update, (note_errors, write_lines, draw_bars, show_panel).chain())
        .add_systems(Update, move_to_target.run_if(resource_exists_and_changed::<HudTarget>));
}

/// Spawns a camera for read-outs that a headset shows on a panel in the room; they follow it.
pub fn spawn_hud_camera(commands: &mut Commands, image: Handle<Image>) -> Entity {
    let target = bevy::camera::RenderTarget::Image(image.into());
    let camera = commands
        .spawn((Camera2d, Camera { order: -1, clear_color: ClearColorConfig::Custom(GLASS), ..default() }, Msaa::Off, target))
        .id();
    commands.insert_resource(HudTarget(camera));
    camera
}

fn move_to_target(target: Res<HudTarget>, roots: Query<Entity, With<HudRoot>>, mut commands: Commands) {
    for root in &roots {
        commands.entity(root).insert(UiTargetCamera(target.0));
    }
}

/// Spawns the read-outs for a camera.
pub(super) fn spawn_hud(commands: &mut Commands, camera: Entity) {
    let text = |line: Line, size: f32, colour: Color| (line, Text::default(), TextFont::from_font_size(size), TextColor(colour));
    let column = |left: bool, top: bool| Node {
        position_type: PositionType::Absolute,
        left: if left { px(14) } else { auto() },
        right: if left { auto() } else { px(14) },
        top: if top { px(14) } else { auto() },
        bottom: if top { auto() } else { px(14) },
        flex_direction: FlexDirection::Column,
        padding: UiRect::all(px(10)),
        row_gap: px(4),
        max_width: px(430),
        ..default()
    };
    let full = Node { width: percent(100), height: percent(100), position_type: PositionType::Absolute, ..default() };
    commands.spawn((HudRoot, UiTargetCamera(camera), full)).with_children(|root| {
        root.spawn((column(true, true), BackgroundColor(GLASS))).with_children(|column| {
            column.spawn(text(Line::Title, 18.0, INK));
            column.spawn(text(Line::Steps, 14.0, INK));
            column.spawn(text(Line::Hint, 13.0, AMBER));
        });
        root.spawn((column(false, true), BackgroundColor(GLASS))).with_children(|column| {
            column.spawn(text(Line::Clock, 18.0, INK));
            for side in Side::BOTH {
                column.spawn(text(Line::Hand(side), 13.0, INK));
                let trough = Node { width: px(220), height: px(9), ..default() };
                column.spawn((trough, BackgroundColor(Color::srgba(1.0, 1.0, 1.0, 0.10)))).with_children(|trough| {
                    trough.spawn((Bar(side), Node { height: percent(100), ..default() }, BackgroundColor(GREEN)));
                    // the case's limit
                    let at = Node {
                        position_type: PositionType::Absolute,
                        left: percent(100.0 / FULL_SCALE),
                        width: px(2),
                        height: percent(100),
                        ..default()
                    };
                    trough.spawn((at, BackgroundColor(INK)));
                });
            }
            column.spawn(text(Line::Monitor, 16.0, GREEN));
            column.spawn(text(Line::Errors, 13.0, RED));
        });
        root.spawn(column(true, false)).with_children(|column| {
            column.spawn((text(Line::Help, 12.0, QUIET), BackgroundColor(GLASS)));
        });
        root.spawn(column(false, false)).with_children(|column| {
            column.spawn((text(Line::Fault, 13.0, RED), BackgroundColor(GLASS)));
        });
        let middle = Node {
            width: percent(100),
            height: percent(100),
            position_type: PositionType::Absolute,
            justify_content: JustifyContent::Center,
            align_items: AlignItems::Center,
            ..default()
        };
        root.spawn(middle).with_children(|middle| {
            let panel = Node { padding: UiRect::all(px(20)), max_width: percent(80), ..default() };
            middle
                .spawn((PanelBox, panel, BackgroundColor(Color::srgba(0.01, 0.03, 0.04, 0.88)), Visibility::Hidden))
                .with_children(|panel| {
                    panel.spawn(text(Line::Panel, 15.0, INK));
                });
        });
    });
}

fn note_errors(
    mut happenings: MessageReader<CaseHappening>,
    case: Option<Res<CaseRun>>,
    tick: Res<Tick>,
    mut notices: ResMut<HudNotices>,
) {
    let Some(case) = case else { return };
    for CaseHappening(happening) in happenings.read() {
        if let Happening::ErrorMade { index, .. } = happening
            && let Some(rule) = case.scenario.errors.get(*index)
        {
            notices.errors.push((tick.secs(), rule.title.clone(), rule.critical));
        }
    }
    if tick.0 == 0 && !notices.errors.is_empty() {
        notices.errors.clear();
    }
}

fn write_lines(
    mut lines: Query<(&Line, &mut Text)>,
    case: Option<Res<CaseRun>>,
    tick: Res<Tick>,
    state: Res<SessionState>,
    notices: Res<HudNotices>,
    late: Res<LateTicks>,
    desk: Option<Res<Desk>>,
    tools: Query<&Tool>,
    body: Option<Res<LivingBody>>,
) {
    let Some(case) = case else { return };
    let (scenario, step) = (&case.scenario, case.progress.step);
    for (line, mut text) in &mut lines {
        let said = match line {
            Line::Title => scenario.title.clone(),
            Line::Steps => {
                let mark = |index: usize| {
                    if index < step {
                        "[x]"
                    } else if index == step {
                        " > "
                    } else {
                        "[ ]"
                    }
                };
                let steps = scenario.steps.iter().enumerate().map(|(index, step)| format!("{} {}", mark(index), step.title));
                steps.collect::<Vec<_>>().join("\n")
            }
            Line::Hint => scenario.steps.get(step).map(|step| step.hint.clone()).unwrap_or_default(),
            Line::Clock => {
                let (secs, limit) = (tick.secs(), scenario.time_limit_secs.get());
                let slow = if late.count > 0 { format!("   {} ticks late", late.count) } else { String::new() };
                format!("{} of {}{slow}", minutes(secs), minutes(limit))
            }
            Line::Hand(side) => match tools.iter().find(|tool| tool.side == *side) {
                Some(tool) => {
                    let holds = match tool.holding {
                        Some(Held::Tissue(_)) => ", holds tissue",
                        Some(Held::Ring(_)) => ", holds a ring",
                        None => "",
                    };
                    let mark = if desk.as_ref().is_some_and(|desk| desk.active == *side) { "> " } else { "  " };
                    format!("{mark}{} {}{holds}: {:.2} N", side.name(), tool.spec.kind.name(), tool.force_n.length())
                }
                None => String::new(),
            },
            Line::Monitor => body.as_ref().map(|body| shown(&body.0.monitor())).unwrap_or_default(),
            Line::Errors => {
                let last = notices.errors.iter().rev().take(5).rev();
                last.map(|(secs, title, critical)| {
                    format!("{} {}{title}", minutes(*secs), if *critical { "CRITICAL: " } else { "" })
                })
                .collect::<Vec<_>>()
                .join("\n")
            }
            Line::Help => {
                if notices.help {
                    HELP.to_owned()
                } else {
                    "H help".to_owned()
                }
            }
            Line::Fault => notices.fault.clone().unwrap_or_default(),
            Line::Panel => match *state {
                SessionState::Paused => format!("Paused\n\n{}\n\nP goes on, R begins again, Esc leaves", scenario.summary),
                SessionState::Ended => format!("{}\n\nR begins again, Esc leaves", notices.result.clone().unwrap_or_default()),
                _ => String::new(),
            },
        };
        if text.0 != said {
            text.0 = said;
        }
    }
}

/// The patient's monitor in two lines.
fn shown(monitor: &Monitor) -> String {
    let lost = if monitor.blood_lost_ml >= 0.5 { format!("   lost {:.0} ml", monitor.blood_lost_ml) } else { String::new() };
    format!(
        "HR {:.0}   BP {:.0}/{:.0} ({:.0})\nSpO2 {:.0} %   etCO2 {:.0}{lost}",
        monitor.heart_rate_per_min,
        monitor.systolic_mmhg,
        monitor.diastolic_mmhg,
        monitor.mean_arterial_mmhg,
        monitor.oxygen_saturation_percent,
        monitor.end_tidal_co2_mmhg
    )
}

/// Minutes and seconds.
fn minutes(secs: f64) -> String {
    format!("{}:{:04.1}", (secs / 60.0) as u64, secs % 60.0)
}

/// Length (share of the trough) and colour of the bar of a force: green up to half the limit, amber up to it, red beyond.
fn bar_of(force_n: f32, limit_n: f32) -> (f32, Color) {
    let share = if limit_n > 0.0 { force_n / limit_n } else { 0.0 };
    let colour = if share > 1.0 {
        RED
    } else if share > 0.5 {
        AMBER
    } else {
        GREEN
    };
    ((share / FULL_SCALE).clamp(0.0, 1.0), colour)
}

fn draw_bars(mut bars: Query<(&Bar, &mut Node, &mut BackgroundColor)>, tools: Query<&Tool>, case: Option<Res<CaseRun>>) {
    let Some(case) = case else { return };
    for (bar, mut node, mut colour) in &mut bars {
        let force = tools.iter().find(|tool| tool.side == bar.0).map_or(0.0, |tool| tool.force_n.length());
        let (share, wanted) = bar_of(force, case.scenario.force_limit_n.get() as f32);
        node.width = percent(100.0 * share);
        colour.0 = wanted;
    }
}

fn show_panel(mut panels: Query<&mut Visibility, With<PanelBox>>, state: Res<SessionState>) {
    let wanted =
        if matches!(*state, SessionState::Paused | SessionState::Ended) { Visibility::Inherited } else { Visibility::Hidden };
    for mut panel in &mut panels {
        panel.set_if_neq(wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_force_bar_turns_amber_at_half_the_limit_and_red_above_it() {
        assert_eq!(bar_of(0.4, 1.0).1, GREEN);
        assert_eq!(bar_of(0.6, 1.0).1, AMBER);
        assert_eq!(bar_of(1.1, 1.0).1, RED);
        assert_eq!(bar_of(9.0, 1.0).0, 1.0);
    }

    #[test]
    fn the_monitor_shows_rate_pressure_oxygen_and_carbon_dioxide() {
        use crate::patient::physiology::{Physiology, Rest};
        let said = shown(&Physiology::new(&Rest::default(), 1.0).monitor());
        assert_eq!(said, "HR 72   BP 120/75 (90)\nSpO2 98 %   etCO2 35");
    }

    #[test]
    fn time_is_told_in_minutes() {
        assert_eq!(minutes(83.25), "1:23.2");
        assert_eq!(minutes(4.0), "0:04.0");
    }
}
