//! The engine's side of [`crate::scenario`]: cases as assets that may change while open, and their steps as systems.

use std::sync::Arc;

use bevy::{
    asset::{AssetLoader, LoadContext, io::Reader},
    prelude::*,
};

use super::{Facts, Faults, Happening, Progress, Scenario, parse};
use crate::{
    clock::plugin::{SessionSystems, Tick},
    instrument::{
        Side,
        plugin::{Held, TissueCut, Tool},
    },
    patient::{
        physiology::OpenedVessel,
        plugin::{LivingBody, step_physiology},
    },
    rigid::{
        Half,
        plugin::{PegBoard, RingDropped, RingObject},
    },
    tissue::{
        MaterialPoint,
        plugin::{AttachmentLost, GripSlipped, Tissue, TissueDamaged, TissueOverstressed, TissueTorn, solve_bodies},
    },
    tracking::plugin::Excision,
};

/// A case as loaded, with the texts that it came from.
#[derive(Asset, TypePath, Debug, Clone)]
pub struct Case {
    pub scenario: Arc<Scenario>,
    pub scenario_ron: String,
    pub rubric_ron: String,
}

/// Loads cases (`.ron`) with their rubrics.
#[derive(Default, TypePath)]
pub struct CaseLoader;

/// Why a case cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("the case cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("{file}: the case is not text in UTF-8")]
    NotText { file: String },
    #[error("{0}")]
    Faults(#[from] Faults),
    #[error(
        "{file}:{line}:{column}: the rubric `{rubric}` cannot be read: {why}\n  help: its path is relative to the case's folder"
    )]
    Rubric { file: String, line: usize, column: usize, rubric: String, why: String },
}

impl AssetLoader for CaseLoader {
    type Asset = Case;
    type Settings = ();
    type Error = CaseError;

    async fn load(&self, reader: &mut dyn Reader, _: &(), context: &mut LoadContext<'_>) -> Result<Case, CaseError> {
        let file = context.path().to_string();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await?;
        let scenario_ron = String::from_utf8(bytes).map_err(|_| CaseError::NotText { file: file.clone() })?;
        let scenario = parse(&scenario_ron, &file)?;
        let (line, column) = super::place_of(&scenario_ron, &["rubric:"]);
        let fault = |why: String| CaseError::Rubric { file: file.clone(), line, column, rubric: scenario.rubric.clone(), why };
        let path = context.path().resolve_embed_str(&scenario.rubric).map_err(|why| fault(why.to_string()))?;
        let rubric = context.read_asset_bytes(path).await.map_err(|why| fault(why.to_string()))?;
        let rubric_ron = String::from_utf8(rubric).map_err(|_| fault("it is not text in UTF-8".to_owned()))?;
        Ok(Case { scenario: Arc::new(scenario), scenario_ron, rubric_ron })
    }

    fn extensions(&self) -> &[&str] {
        &["ron"]
    }
}

/// The case in progress and how far it has come.
#[derive(Resource)]
pub struct CaseRun {
    pub scenario: Arc<Scenario>,
    pub progress: Progress,
    /// Height of the lesion when the session began, m.
    pub lesion_start: Option<f32>,
    lesion: Option<MaterialPoint>,
}

impl CaseRun {
    pub fn new(scenario: Arc<Scenario>) -> Self {
        Self { scenario, progress: Progress::default(), lesion_start: None, lesion: None }
    }
}

/// What the case said about this tick.
#[derive(Message, Debug, Clone)]
pub struct CaseHappening(pub Happening);

/// Loads cases and runs their steps.
pub struct ScenarioPlugin;

impl Plugin for ScenarioPlugin {
    fn build(&self, app: &mut App) {
        app.init_asset::<Case>()
            .init_asset_loader::<CaseLoader>()
            .add_message::<CaseHappening>()
            .add_message::<VesselCut>()
            .add_systems(
                FixedUpdate,
                bleed_from_cuts
                    .run_if(resource_exists::<LivingBody>)
                    .after(step_physiology)
                    .after(solve_bodies)
                    .in_set(SessionSystems::Solve),
            )
            .add_systems(FixedUpdate, run_case.run_if(resource_exists::<CaseRun>).in_set(SessionSystems::Script));
    }
}

fn run_case(
    mut case: ResMut<CaseRun>,
    tick: Res<Tick>,
    excision: Option<Res<Excision>>,
    tools: Query<&Tool>,
    tissues: Query<&Tissue>,
    rings: Query<&RingObject>,
    board: Query<&PegBoard>,
    mut cuts: MessageReader<TissueCut>,
    mut stressed: MessageReader<TissueOverstressed>,
    mut slips: MessageReader<GripSlipped>,
    mut drops: MessageReader<RingDropped>,
    mut tears: MessageReader<TissueTorn>,
    mut lost: MessageReader<AttachmentLost>,
    mut damage: MessageReader<TissueDamaged>,
    mut body: Option<ResMut<LivingBody>>,
    mut happenings: MessageWriter<CaseHappening>,
) {
    let case = case.as_mut();
    let tissue = tissues.iter().next();
    let excision = excision.map(|excision| excision.0);
    let mut facts = Facts::default();
    for side in Side::BOTH {
        let Some(tool) = tools.iter().find(|tool| tool.side == side) else { continue };
        facts.tips[side.index()] = Some(tool.pose.position);
        if matches!(tool.holding, Some(Held::Tissue(_))) {
            let force = tissue.map_or(0.0, |tissue| tissue.tool_forces[side.index()].grip_n.length());
            facts.held[side.index()] = Some((tool.pose.position, force));
        }
    }
    if let Some(last) = tears.read().last() {
        // a tear changes the mesh as a cut does
        case.lesion = None;
        facts.torn = Some(last.tear.place);
    }
    facts.damaged = damage.read().map(|message| message.bruise.place).next();
    facts.attachment_torn = lost.read().filter(|message| !message.loss.divided).map(|message| message.loss.place).next();
    if let Some(tissue) = tissue {
        facts.attachments = tissue.body.fibres().map(|(name, ..)| name.to_owned()).collect();
        facts.attachments.dedup();
    }
    if let (Some(tissue), Some(wedge)) = (tissue, excision) {
        for cut in cuts.read() {
            case.lesion = None;
            let margin = cut.report.distance_to(wedge.lesion) - wedge.lesion_radius_m;
            facts.cut_margin_m = Some(facts.cut_margin_m.map_or(margin, |least: f32| least.min(margin)));
        }
        let point = *case.lesion.get_or_insert_with(|| tissue.body.material_point(wedge.lesion));
        let lesion = tissue.body.deformed(&point);
        facts.lesion = Some(lesion);
        facts.lesion_rise_m = lesion.y - *case.lesion_start.get_or_insert(lesion.y);
        facts.lesion_free = tissue.body.is_free_at(&point);
        facts.overstress = stressed.read().filter(|message| !wedge.contains(message.rest)).map(|message| message.place).next();
    }
    facts.tissue_slipped = slips.read().count() > 0;
    if let Ok(PegBoard(board)) = board.single() {
        for half in [Half::Left, Half::Right] {
            let there = |ring: &&RingObject| {
                ring.handed_over && ring.holds.is_empty() && ring.on_peg.is_some_and(|peg| board.pegs[peg].half == half)
            };
            facts.rings_on[usize::from(half == Half::Right)] = rings.iter().filter(there).count();
        }
    }
    for drop in drops.read() {
        if drop.lost {
            facts.ring_lost = Some(drop.place);
        } else {
            facts.ring_dropped = Some(drop.place);
        }
    }
    facts.monitor = body.as_ref().map(|body| body.0.monitor());
    for happening in case.progress.advance(&case.scenario, &facts, tick.secs()) {
        if let (Happening::StepDone { index }, Some(body)) = (&happening, &mut body)
            && let Some(next) = case.scenario.steps.get(index + 1)
        {
            next.orders.iter().for_each(|order| body.0.order(order));
        }
        happenings.write(CaseHappening(happening));
    }
}

/// A cut opened a vessel that the scan shows.
#[derive(Message, Debug, Clone)]
pub struct VesselCut {
    pub vessel: OpenedVessel,
    pub place: Vec3,
}

/// Cut and torn tissue bleeds from both sides, and so do the vessels that a cut crosses.
fn bleed_from_cuts(
    mut body: ResMut<LivingBody>,
    mut cuts: MessageReader<TissueCut>,
    mut tears: MessageReader<TissueTorn>,
    mut opened: MessageWriter<VesselCut>,
) {
    for cut in cuts.read() {
        body.0.open(2.0 * f64::from(cut.report.area_m2));
        let vessels = body.0.open_vessels(&cut.report.opened);
        opened.write_batch(vessels.into_iter().map(|vessel| VesselCut { vessel, place: cut.place }));
    }
    for torn in tears.read() {
        body.0.open(2.0 * f64::from(torn.tear.area_m2));
    }
}
