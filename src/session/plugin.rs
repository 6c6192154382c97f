//! The engine's side of [`crate::session`]: a session begins when its case is loaded, records every tick, and ends.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bevy::{
    app::PluginGroupBuilder,
    asset::{AssetLoadError, AssetPlugin, LoadState},
    ecs::{message::MessageCursor, schedule::SingleThreadedExecutor},
    prelude::*,
    time::TimeUpdateStrategy,
};

use super::{Digest, Event, Header, SessionError, TickRecord, ToolSample, Trace, TraceWriter};
use crate::{
    clock::{
        TICK_HZ,
        plugin::{ClockPlugin, SessionState, SessionSystems, Tick},
    },
    geom::Pose,
    instrument::{
        InputFrame, Side, ToolKind, Trocar,
        plugin::{Grasped, Inputs, InstrumentPlugin, Released, TissueCut, Tool},
    },
    patient::{
        Material, Twin,
        physiology::{Physiology, Rest, trunk_flow_ml_per_min},
        plugin::{LivingBody, PatientPlugin},
    },
    rigid::plugin::{
        OfBench, RigidPlugin, RingDropped, RingObject, RingPlaced, RingSlipped, clear_bench, spawn_board, spawn_tool_body,
    },
    scenario::{
        Happening, Scenario, bench_board, excision, metres, plan,
        plugin::{Case, CaseError, CaseHappening, CaseRun, ScenarioPlugin, VesselCut},
    },
    tissue::{
        self, BodySpec, SoftBody,
        plugin::{AttachmentLost, BodyRested, GripSlipped, Tissue, TissueDamaged, TissueOverstressed, TissuePlugin, TissueTorn},
    },
    tracking::{
        Bot, Motion, Skill,
        plugin::{Excision, PoseSource, SourceIsOver, TrackingPlugin},
    },
};

/// Everything that moves, without a window: what tests, servers, batches and the theatre share.
pub struct SimulationPlugins;

impl PluginGroup for SimulationPlugins {
    fn build(self) -> PluginGroupBuilder {
        PluginGroupBuilder::start::<Self>()
            .add(ClockPlugin)
            .add(TissuePlugin)
            .add(PatientPlugin)
            .add(RigidPlugin)
            .add(InstrumentPlugin)
            .add(TrackingPlugin)
            .add(ScenarioPlugin)
            .add(SessionPlugin)
    }
}

/// Where a session's poses come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Mouse and keyboard, or controllers.
    Live(&'static str),
    Bot(Skill),
    Motion(Motion),
    Replay(Box<Trace>),
}

impl Source {
    fn name(&self) -> String {
        match self {
            Source::Live(device) => (*device).to_owned(),
            Source::Bot(skill) => format!("bot:{}", skill.name),
            Source::Motion(_) => "motion".to_owned(),
            Source::Replay(trace) => trace.header.source.clone(),
        }
    }
}

/// What to run.
#[derive(Resource, Debug, Clone)]
pub struct SessionConfig {
    /// The case's file.
    pub case: PathBuf,
    /// The folder that holds `patients/`.
    pub assets: PathBuf,
    pub seed: u64,
    pub source: Source,
    /// Where the trace goes; none keeps it in memory only.
    pub trace: Option<PathBuf>,
}

/// How the session ended, once it has.
#[derive(Resource, Default)]
pub struct Outcome(pub Option<Result<Trace, SessionError>>);

/// Bears everything that a session spawned.
#[derive(Component)]
pub struct OfSession;

/// The case being loaded.
#[derive(Resource)]
struct Loading(Handle<Case>);

/// The twin that the session operates on.
#[derive(Resource, Clone)]
pub struct CurrentTwin(pub Arc<Twin>);

/// Ask for the session to begin again (a changed case, the operator's wish).
#[derive(bevy::ecs::event::Event, Debug, Clone, Copy)]
pub struct RestartSession;

/// The trace as it grows.
#[derive(Resource)]
pub struct Recorder {
    pub trace: Trace,
    writer: Option<TraceWriter>,
    digest: Digest,
    /// Ticks that began late on the wall clock since the last one recorded.
    pub late: bool,
}

/// Starts, records and ends sessions.
pub struct SessionPlugin;

impl Plugin for SessionPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Outcome>()
            .init_resource::<EventCursors>()
            .add_systems(Startup, load_case)
            .add_systems(Update, (follow_changes, begin_when_loaded).chain())
            .add_systems(FixedUpdate, (record_tick, end_session).chain().in_set(SessionSystems::Record))
            .add_observer(on_restart_session);
    }
}

/// Runs a session to its end without a window, as fast as it goes. `progress` hears the session time in seconds.
///
/// # Errors
/// When the case, its patient or the trace file is at fault.
pub fn run_headless(config: SessionConfig, threads: Option<usize>, progress: &mut dyn FnMut(f64)) -> Result<Trace, SessionError> {
    let mut app = headless_app(config, threads);
    loop {
        app.update();
        progress(app.world().resource::<Tick>().secs());
        if let Some(outcome) = app.world_mut().resource_mut::<Outcome>().0.take() {
            return outcome;
        }
    }
}

/// An app in which every update runs exactly one tick once the case is loaded.
pub fn headless_app(config: SessionConfig, threads: Option<usize>) -> App {
    let mut app = App::new();
    let pool = match threads {
        Some(threads) => TaskPoolPlugin { task_pool_options: bevy::app::TaskPoolOptions::with_num_threads(threads) },
        None => TaskPoolPlugin::default(),
    };
    app.add_plugins((
        MinimalPlugins.set(pool),
        TransformPlugin,
        AssetPlugin { file_path: case_folder(&config.case), ..default() },
    ))
    .init_asset::<Mesh>()
    .add_plugins(SimulationPlugins)
    .insert_resource(config)
    .insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
    for (_, schedule) in app.world_mut().resource_mut::<Schedules>().iter_mut() {
        schedule.set_executor(SingleThreadedExecutor::new());
    }
    app.finish();
    app.cleanup();
    app
}

/// The folder that the asset server reads cases from.
pub fn case_folder(case: &Path) -> String {
    let folder = case.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).to_string_lossy().into_owned()
}

fn load_case(config: Option<Res<SessionConfig>>, assets: Res<AssetServer>, mut outcome: ResMut<Outcome>, mut commands: Commands) {
    let Some(config) = config else { return };
    match config.case.file_name().filter(|_| config.case.is_file()) {
        Some(name) => commands.insert_resource(Loading(assets.load(name.to_string_lossy().into_owned()))),
        None => outcome.0 = Some(Err(SessionError::NoCase { path: config.case.clone() })),
    }
}

fn follow_changes(mut changes: MessageReader<AssetEvent<Case>>, state: Res<SessionState>, mut commands: Commands) {
    let changed = changes.read().any(|event| matches!(event, AssetEvent::Modified { .. }));
    if changed && *state != SessionState::Waiting {
        commands.trigger(RestartSession);
    }
}

fn on_restart_session(
    _: On<RestartSession>,
    mut state: ResMut<SessionState>,
    spawned: Query<Entity, Or<(With<OfSession>, With<OfBench>)>>,
    mut commands: Commands,
) {
    for entity in &spawned {
        commands.entity(entity).despawn();
    }
    *state = SessionState::Waiting;
}

fn begin_when_loaded(world: &mut World) {
    if *world.resource::<SessionState>() != SessionState::Waiting || world.resource::<Outcome>().0.is_some() {
        return;
    }
    let Some(handle) = world.get_resource::<Loading>().map(|loading| loading.0.clone()) else { return };
    let begun = match world.resource::<AssetServer>().load_state(&handle) {
        LoadState::Loaded => match world.resource::<Assets<Case>>().get(&handle).cloned() {
            Some(case) => begin(world, case),
            None => return,
        },
        LoadState::Failed(why) => Err(SessionError::Case(explain(&why))),
        _ => {
            std::thread::yield_now();
            return;
        }
    };
    if let Err(fault) = begun {
        world.resource_mut::<Outcome>().0 = Some(Err(fault));
    }
}

/// The loader's own words, without the engine's around them.
fn explain(why: &AssetLoadError) -> String {
    match why {
        AssetLoadError::AssetLoaderError(fault) => match fault.error().downcast_ref::<CaseError>() {
            Some(ours) => ours.to_string(),
            None => fault.error().to_string(),
        },
        other => other.to_string(),
    }
}

/// Builds the theatre of a case and starts its clock.
fn begin(world: &mut World, case: Case) -> Result<(), SessionError> {
    let config = world.resource::<SessionConfig>().clone();
    let scenario = case.scenario.clone();
    let (twin, twin_sha256) = match &scenario.patient {
        Some(patient) => {
            let (twin, hash) = read_twin(&config.assets, &patient.twin)?;
            (Some(twin), Some(hash))
        }
        None => (None, None),
    };
    if let Source::Replay(trace) = &config.source
        && trace.header.twin_sha256 != twin_sha256
    {
        let text = |hash: Option<String>| hash.unwrap_or_else(|| "none".to_owned());
        return Err(SessionError::OtherTwin { recorded: text(trace.header.twin_sha256.clone()), found: text(twin_sha256) });
    }
    let parts = [&scenario.left, &scenario.right];
    let point = |(x, y, z): (f32, f32, f32)| Vec3::new(x, y, z) * 1e-3;
    let tools = Side::BOTH.map(|side| {
        let part = parts[side.index()];
        let trocar = Trocar::new(point(part.trocar_mm), part.kind.spec().shaft_length_m);
        Tool::new(side, part.kind, trocar, Pose { position: point(part.start_mm), rotation: Quat::IDENTITY })
    });
    let source = match &config.source {
        Source::Live(_) => PoseSource::Live,
        Source::Motion(motion) => PoseSource::Motion(motion.clone()),
        Source::Replay(trace) => {
            PoseSource::Replay(trace.ticks.iter().map(|tick| tick.input).collect::<Vec<InputFrame>>().into_iter())
        }
        Source::Bot(skill) => {
            let plan = plan(&scenario, twin.as_deref()).ok_or(SessionError::NoPlan)?;
            let trocars = tools.each_ref().map(|tool| tool.trocar.position);
            let tips = tools.each_ref().map(|tool| tool.pose.position);
            PoseSource::Bot(Box::new(Bot::new(*skill, plan, trocars, tips, config.seed)))
        }
    };
    let header = Header {
        software: env!("CARGO_PKG_VERSION").to_owned(),
        case: config.case.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
        scenario_ron: case.scenario_ron,
        rubric_ron: case.rubric_ron,
        twin_sha256,
        seed: config.seed,
        source: config.source.name(),
        tick_hz: TICK_HZ,
        tools: tools.each_ref().map(|tool| Some::<ToolKind>(tool.spec.kind)),
        trocars: tools.each_ref().map(|tool| Some(tool.trocar.position)),
        force_limit_n: scenario.force_limit_n.get() as f32,
        arithmetic: tissue::ARITHMETIC.to_owned(),
    };
    let writer = config.trace.as_ref().map(|path| TraceWriter::create(path, &header)).transpose()?;
    if let (Some(twin), Some(wedge)) = (&twin, twin.as_ref().and_then(|twin| excision(&scenario, twin))) {
        let body = make_body(&scenario, twin, wedge.lesion)?;
        let damping = scenario.patient.as_ref().map_or(0.0, |patient| patient.damping_per_s);
        world.spawn((OfSession, Tissue::new(twin.organ.name.clone(), body, damping)));
        world.insert_resource(Excision(wedge));
    }
    world.remove_resource::<LivingBody>();
    if let Some(part) = &scenario.physiology {
        let rest =
            twin.as_ref().map_or_else(Rest::default, |twin| Rest::of(&twin.parameters, &twin.organ.name, twin.record.as_ref()));
        let mut body = Physiology::new(&rest, part.reflex.get());
        let first = scenario.steps.first().map(|step| step.orders.as_slice()).unwrap_or_default();
        if let Some(twin) = &twin {
            body.give_vessels(&twin.vessels, |name| trunk_flow_ml_per_min(name, &twin.organ.name, &twin.parameters));
        }
        part.orders.iter().chain(first).for_each(|order| body.order(order));
        world.insert_resource(LivingBody(body));
    }
    clear_bench(world);
    if let Some(part) = &scenario.board {
        let (board, ring, rings) = bench_board(part);
        spawn_board(world, &board, ring, &rings);
    }
    for tool in tools {
        let length_m = tool.spec.jaw_length_m + 0.1;
        spawn_tool_body(world, tool.side.index() as u8, tool.pose, length_m, tool.spec.shaft_radius_m);
        world.spawn((OfSession, tool));
    }
    if let Some(twin) = twin {
        world.insert_resource(CurrentTwin(twin));
    }
    world.insert_resource(CaseRun::new(scenario));
    world.insert_resource(source);
    world.insert_resource(Inputs::default());
    world.insert_resource(SourceIsOver::default());
    world.insert_resource(Tick(0));
    world.insert_resource(Recorder {
        trace: Trace { header, ticks: Vec::new(), digest: None },
        writer,
        digest: Digest::default(),
        late: false,
    });
    world.insert_resource(SessionState::Running);
    Ok(())
}

/// A twin and the hash of its folder.
fn read_twin(assets: &Path, name: &str) -> Result<(Arc<Twin>, String), SessionError> {
    let folder = assets.join("patients").join(name);
    let read = Twin::read(&folder).and_then(|twin| Ok((Arc::new(twin), Twin::hash_of(&folder)?)));
    read.map_err(|why| SessionError::Twin { name: name.to_owned(), folder, why: why.to_string() })
}

/// The organ, or all of the twin's regions, as a soft body: stiffer where the lesion is, held where the case says so.
fn make_body(scenario: &Scenario, twin: &Twin, lesion: Vec3) -> Result<SoftBody, SessionError> {
    let Some(patient) = &scenario.patient else { return Err(SessionError::Tissue("the case has no patient".to_owned())) };
    // each region's own tissue, and the same once more, stiffer, for where the lesion is
    let own: Vec<(&str, &Material)> = match twin.regions.as_slice() {
        [] => vec![(&twin.organ.name, &twin.material)],
        regions => regions.iter().map(|region| (region.name.as_str(), &region.material)).collect(),
    };
    let regions = own.len();
    let of = |name: String, material: &Material, stiffness: f32| tissue::Material {
        name,
        young_pa: material.young_pa.get() as f32 * stiffness,
        poisson: material.poisson.get() as f32,
        density_kg_m3: material.density_kg_m3.get() as f32,
        stress_limit_pa: patient.stress_limit_pa.get() as f32,
    };
    let healthy = own.iter().map(|(name, material)| of((*name).to_owned(), material, 1.0));
    let stiff = own.iter().map(|(name, material)| of(format!("lesion in {name}"), material, patient.lesion.stiffness));
    let materials = healthy.chain(stiff).collect();
    let responses: Vec<_> = own.iter().chain(&own).map(|(_, material)| material.response.clone()).collect();
    let radius = patient.lesion.radius_mm.metres();
    let centre = |tet: usize| twin.tets.corners(tet).iter().sum::<Vec3>() * 0.25;
    let material = |tet: usize| {
        let region = twin.tet_regions.get(tet).copied().unwrap_or(0);
        region + if centre(tet).distance(lesion) < radius { regions as u8 } else { 0 }
    };
    let tet_material = (0..twin.tets.tets.len()).map(material).collect();
    let below = 1e-3 * patient.held_below_mm;
    let pinned = (0u32..).zip(&twin.tets.vertices).filter(|(_, v)| v.y < below).map(|(node, _)| node).collect();
    let settings = tissue::SolverSettings { self_contact: patient.self_contact, ..default() };
    let spec = BodySpec { mesh: twin.tets.clone(), materials, tet_material, pinned, settings };
    let made = SoftBody::new(spec).and_then(|mut body| {
        if own.iter().any(|(_, material)| material.fibre_direction.is_some()) {
            // the direction means nothing in a tissue without fibres
            let along = |region: usize| own[region].1.fibre_direction.map_or(Vec3::X, Into::into);
            let region = |tet: usize| usize::from(twin.tet_regions.get(tet).copied().unwrap_or(0));
            body.set_fibres(&(0..body.tets().len()).map(|tet| along(region(tet))).collect::<Vec<_>>())?;
        }
        body.set_responses(&responses)?;
        let toughness = patient.toughness_j_m2.map_or(0.0, |toughness| toughness.get() as f32);
        body.set_toughness(&vec![toughness; 2 * regions])?;
        let tearing = patient.tear.as_ref().map(|tear| tissue::Tearing {
            toughness_j_m2: tear.toughness_j_m2.get() as f32,
            strength_pa: tear.strength_pa.get() as f32,
        });
        body.set_tearing(&vec![tearing; 2 * regions])?;
        let limits = patient.damage_as.as_deref().and_then(tissue::limits_of);
        body.set_limits(&vec![limits; 2 * regions])?;
        for part in &patient.attachments {
            let (low, high) = (metres(part.from_mm), metres(part.to_mm));
            let within = |x: &Vec3| x.cmpge(low.min(high)).all() && x.cmple(low.max(high)).all();
            body.attach(tissue::Band {
                name: part.name.clone(),
                nodes: (0u32..).zip(&twin.tets.vertices).filter(|(_, x)| within(x)).map(|(v, _)| v).collect(),
                toward: metres(part.toward),
                length_m: part.length_mm.metres(),
                stiffness_n_m: part.stiffness_n_m.get() as f32,
                strength_n: part.strength_n.get() as f32,
            })?;
        }
        Ok(body)
    });
    made.map_err(|why| SessionError::Tissue(why.to_string()))
}

/// Where the recorder stands in each stream of messages.
#[derive(Resource, Default)]
struct EventCursors {
    grasped: MessageCursor<Grasped>,
    released: MessageCursor<Released>,
    grips: MessageCursor<GripSlipped>,
    ring_slips: MessageCursor<RingSlipped>,
    cuts: MessageCursor<TissueCut>,
    stressed: MessageCursor<TissueOverstressed>,
    torn: MessageCursor<TissueTorn>,
    attachments: MessageCursor<AttachmentLost>,
    damaged: MessageCursor<TissueDamaged>,
    dropped: MessageCursor<RingDropped>,
    placed: MessageCursor<RingPlaced>,
    rested: MessageCursor<BodyRested>,
    vessels: MessageCursor<VesselCut>,
    case: MessageCursor<CaseHappening>,
}

/// What happened in this tick, in an order that depends on nothing but what happened.
fn collect_events(world: &World, cursors: &mut EventCursors) -> Vec<Event> {
    fn read<'a, M: Message>(world: &'a World, cursor: &'a mut MessageCursor<M>) -> impl Iterator<Item = &'a M> {
        cursor.read(world.resource::<Messages<M>>())
    }
    let side = |tool: u8| if tool == 0 { Side::Left } else { Side::Right };
    let tissue_name = |entity: Entity| world.get::<Tissue>(entity).map(|tissue| tissue.name.clone()).unwrap_or_default();
    let scenario = world.resource::<CaseRun>().scenario.clone();
    let wedge = world.get_resource::<Excision>().map(|excision| excision.0);
    let mut events: Vec<Event> = Vec::new();
    events.extend(read(world, &mut cursors.grasped).map(|m| Event::Grasped { side: m.side, what: m.what.clone() }));
    events.extend(read(world, &mut cursors.released).map(|m| Event::Released { side: m.side, what: m.what.clone() }));
    events.extend(read(world, &mut cursors.grips).map(|m| Event::Slipped {
        side: side(m.tool),
        what: tissue_name(m.tissue),
        force_n: m.force_n,
    }));
    events.extend(read(world, &mut cursors.ring_slips).map(|m| Event::Slipped {
        side: side(m.tool),
        what: m.ring.clone(),
        force_n: m.force_n,
    }));
    events.extend(read(world, &mut cursors.cuts).map(|m| Event::Cut {
        side: m.side,
        area_m2: m.report.area_m2,
        margin_m: wedge.map(|wedge| m.report.distance_to(wedge.lesion) - wedge.lesion_radius_m),
        place: m.place,
    }));
    // many elements may pass their limit at once: the worst speaks for them
    let worst = read(world, &mut cursors.stressed).max_by(|a, b| a.stress_pa.total_cmp(&b.stress_pa));
    events.extend(worst.map(|m| Event::Overstressed {
        what: tissue_name(m.tissue),
        stress_pa: m.stress_pa,
        limit_pa: m.limit_pa,
        place: m.place,
    }));
    events.extend(read(world, &mut cursors.torn).map(|m| Event::Torn {
        what: tissue_name(m.tissue),
        began: m.tear.began,
        area_m2: m.tear.area_m2,
        drive: m.tear.drive,
        limit: m.tear.limit,
        place: m.tear.place,
    }));
    events.extend(read(world, &mut cursors.damaged).map(|m| Event::Damaged {
        what: tissue_name(m.tissue),
        measure: m.bruise.measure.name().to_owned(),
        value: m.bruise.value,
        limit: m.bruise.above,
        held_secs: m.bruise.held_secs,
        unit: m.bruise.measure.unit().to_owned(),
        place: m.bruise.place,
    }));
    events.extend(read(world, &mut cursors.attachments).map(|m| Event::AttachmentLost {
        what: m.loss.name.clone(),
        divided: m.loss.divided,
        pull_n: m.loss.pull_n,
        left: m.loss.left,
        place: m.loss.place,
    }));
    events.extend(read(world, &mut cursors.dropped).map(|m| Event::Dropped {
        what: m.ring.clone(),
        lost: m.lost,
        place: m.place,
    }));
    events.extend(
        read(world, &mut cursors.placed).map(|m| Event::Placed { what: m.ring.clone(), on: format!("peg {}", m.peg + 1) }),
    );
    events.extend(read(world, &mut cursors.rested).map(|m| Event::BodyRested { what: tissue_name(m.tissue) }));
    events.extend(read(world, &mut cursors.vessels).map(|m| Event::VesselCut {
        name: m.vessel.name.clone(),
        radius_mm: m.vessel.radius_mm as f32,
        flow_ml_per_min: m.vessel.flow_ml_per_min as f32,
        place: m.place,
    }));
    events.extend(read(world, &mut cursors.case).map(|m| match &m.0 {
        Happening::StepDone { index } => Event::StepDone { id: scenario.steps[*index].id.clone() },
        Happening::ErrorMade { index, place } => {
            let rule = &scenario.errors[*index];
            Event::ErrorMade { id: rule.id.clone(), critical: rule.critical, place: *place }
        }
        Happening::Completed => Event::Completed,
        Happening::TimeIsUp => Event::Stopped { why: "the time limit".to_owned() },
    }));
    events
}

fn record_tick(world: &mut World) {
    let mut cursors = world.remove_resource::<EventCursors>().unwrap_or_default();
    let mut events = collect_events(world, &mut cursors);
    world.insert_resource(cursors);
    let inputs = world.resource::<Inputs>().0;
    let over = world.resource::<SourceIsOver>().0;
    let ended = events.iter().any(|event| matches!(event, Event::Completed | Event::Stopped { .. }));
    if over && !ended && !matches!(world.resource::<SessionConfig>().source, Source::Replay(_)) {
        events.push(Event::Stopped { why: "the motion file is over".to_owned() });
    }
    let mut samples = [None; 2];
    for tool in world.query::<&Tool>().iter(world) {
        samples[tool.side.index()] = Some(ToolSample {
            pose: tool.pose,
            jaw_rad: tool.jaw.angle_rad,
            force_n: tool.force_n,
            holding: tool.holding.is_some(),
        });
    }
    let mut digest = std::mem::take(&mut world.resource_mut::<Recorder>().digest);
    for tissue in world.query::<&Tissue>().iter(world) {
        tissue.body.state_bytes(&mut |bytes| digest.bytes(bytes));
    }
    let mut rings: Vec<_> = world.query::<(&RingObject, &Transform)>().iter(world).collect();
    rings.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    for (_, transform) in rings {
        digest.floats(&transform.translation.to_array());
        digest.floats(&transform.rotation.to_array());
    }
    for sample in samples.iter().flatten() {
        digest.floats(&sample.pose.position.to_array());
        digest.floats(&sample.pose.rotation.to_array());
        digest.floats(&[sample.jaw_rad]);
        digest.floats(&sample.force_n.to_array());
    }
    let body = world.get_resource::<LivingBody>().map(|body| body.0.clone());
    if let Some(body) = &body {
        body.state(&mut |value| digest.bytes(&value.to_bits().to_le_bytes()));
        // what the monitor shows, once a second
        if world.resource::<Tick>().0.is_multiple_of(u64::from(TICK_HZ)) {
            events.push(Event::VitalSigns(body.monitor()));
        }
    }
    for event in &events {
        digest.bytes(&postcard::to_stdvec(event).unwrap_or_default());
    }
    let mut recorder = world.resource_mut::<Recorder>();
    let late = std::mem::take(&mut recorder.late);
    let record = TickRecord { input: inputs, tools: samples, events, digest: digest.short(), late };
    recorder.digest = digest;
    recorder.trace.ticks.push(record.clone());
    if let Some(mut writer) = recorder.writer.take() {
        match writer.tick(record) {
            Ok(()) => recorder.writer = Some(writer),
            // a full disk ends the session: an attempt that cannot be shown later is none
            Err(fault) => {
                world.insert_resource(SessionState::Ended);
                world.resource_mut::<Outcome>().0 = Some(Err(fault.into()));
            }
        }
    }
}

fn end_session(
    mut recorder: ResMut<Recorder>,
    over: Res<SourceIsOver>,
    mut state: ResMut<SessionState>,
    mut outcome: ResMut<Outcome>,
) {
    let Some(last) = recorder.trace.ticks.last() else { return };
    let ended = last.events.iter().any(|event| matches!(event, Event::Completed | Event::Stopped { .. }));
    if outcome.0.is_some() || !(ended || over.0) {
        return;
    }
    let digest = recorder.digest.now();
    recorder.trace.digest = Some(digest);
    let finished = recorder.writer.take().map_or(Ok(()), |writer| writer.finish(digest));
    *state = SessionState::Ended;
    outcome.0 = Some(finished.map(|()| recorder.trace.clone()).map_err(SessionError::from));
}
