//! A case as an instructor writes it. Unknown fields are refused; units are in the keys.

use serde::{Deserialize, Serialize};

use crate::{
    instrument::ToolKind,
    patient::physiology::{Order, Sign},
    rigid::Half,
    units::{FractureToughness, Millimetres, Newtons, Pascals, Seconds, Share, Stiffness},
};

/// The only version there is.
pub const SCENARIO_VERSION: u32 = 1;

/// A point in the world, mm: x to the patient's left, y up from the table, z toward the feet.
pub type PointMm = (f32, f32, f32);

/// A whole case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Version of this format: 1.
    pub version: u32,
    /// Shown on the screen and the report.
    pub title: String,
    /// What the trainee is to do, in a sentence or two.
    pub summary: String,
    /// The rubric's file, beside this one.
    pub rubric: String,
    /// The session stops when this has passed.
    pub time_limit_secs: Seconds,
    /// Force on tissue above which the report speaks of over-force.
    pub force_limit_n: Newtons,
    pub left: ToolPart,
    pub right: ToolPart,
    /// The organ to operate on.
    #[serde(default)]
    pub patient: Option<PatientPart>,
    /// The bench task to perform.
    #[serde(default)]
    pub board: Option<BoardPart>,
    /// The patient's body as the monitor shows it, starting from the twin's parameters; without it nothing of it is simulated.
    #[serde(default)]
    pub physiology: Option<PhysiologyPart>,
    /// In the order in which they are to be done.
    pub steps: Vec<Step>,
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    pub view: View,
}

/// The tool in one hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolPart {
    pub kind: ToolKind,
    /// The pivot.
    pub trocar_mm: PointMm,
    /// Where the tip is when the session starts.
    pub start_mm: PointMm,
}

/// The patient, and what is to be excised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientPart {
    /// A folder below `assets/patients`.
    pub twin: String,
    /// Tissue below this height is held by what lies around it.
    pub held_below_mm: f32,
    /// Velocity lost per second to neighbouring organs and fluid.
    pub damping_per_s: f32,
    /// Ligaments and fascia that hold it besides, that give way and can be divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentPart>,
    pub lesion: Lesion,
    /// Von Mises stress above which tissue counts as over-stressed.
    pub stress_limit_pa: Pascals,
    /// What blades have to overcome; without it they meet no resistance. Liver: 164 ± 6 J/m² (porcine, ex vivo; Gokgol, Basdogan & Canadinc,
    /// “Estimation of fracture toughness of liver tissue”, Med Eng Phys 2012).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toughness_j_m2: Option<FractureToughness>,
    /// Whose limits of pressure, force and strain count as damage: a tissue of `assets/models/damage.ron`. Without it nothing is bruised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage_as: Option<String>,
    /// Whether pieces of the organ and the lips of its cuts meet one another.
    #[serde(default)]
    pub self_contact: bool,
    /// How the organ tears under overload; without it it stretches without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tear: Option<TearPart>,
    /// Distance between the lesion and the planes of the wedge.
    pub margin_mm: Millimetres,
    /// Each plane's angle from the vertical.
    pub half_angle_deg: f32,
}

/// A band from the organ's surface to what lies around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentPart {
    pub name: String,
    /// Two opposite corners of a box in the world: the band holds the surface in it.
    pub from_mm: PointMm,
    pub to_mm: PointMm,
    /// The way from the organ to where the band ends; its length does not matter.
    pub toward: PointMm,
    pub length_mm: Millimetres,
    /// Of the whole band.
    pub stiffness_n_m: Stiffness,
    /// Pull of the whole band beyond which it gives way. Capsule and peritoneum of the liver: 0.3 ± 0.3 N per mm of width, at 47 ± 29 % of
    /// strain (human and porcine; Brunon, Bruyère-Garnier & Coret, J Biomech 2010): a fold of two layers 50 mm wide bears some 30 N.
    pub strength_n: Newtons,
}

/// What it takes to tear an organ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TearPart {
    /// Energy for each area of tear, counted once. Liver: 164 ± 6 J/m² (porcine, ex vivo; Gokgol, Basdogan & Canadinc, Med Eng Phys 2012).
    pub toughness_j_m2: FractureToughness,
    /// Tensile stress without which no tear begins in whole tissue. Capsule of the liver: 0.3 ± 0.3 N per mm of width at 47 ± 29 % of strain
    /// (human and porcine, quasi-static; Brunon, Bruyère-Garnier & Coret, J Biomech 2010), spread over the depth of an element.
    pub strength_pa: Pascals,
}

/// A round lesion, invented by the case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesion {
    /// In the patient's frame (LPS), as a viewer of the scan shows it.
    pub centre_lps_mm: (f64, f64, f64),
    pub radius_mm: Millimetres,
    /// Its stiffness as a multiple of the organ's.
    pub stiffness: f32,
}

/// The patient's circulation and breathing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhysiologyPart {
    /// Share of the awake reflexes that anaesthesia leaves: 1 awake, some 0.5 under a usual one.
    pub reflex: Share,
    /// What holds from the start: insufflation, ventilation, drugs.
    #[serde(default)]
    pub orders: Vec<Order>,
}

/// A board with pegs and rings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardPart {
    /// Length along x, height, depth along z.
    pub size_mm: PointMm,
    pub peg_diameter_mm: Millimetres,
    pub peg_height_mm: Millimetres,
    /// Each peg: x and z of its axis.
    pub left_pegs_mm: Vec<(f32, f32)>,
    pub right_pegs_mm: Vec<(f32, f32)>,
    pub ring: RingPart,
    /// Half on which the rings start; one on each of its pegs.
    pub start: Half,
}

/// A hollow triangular prism.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingPart {
    pub circumradius_mm: Millimetres,
    pub height_mm: Millimetres,
    pub hole_radius_mm: Millimetres,
    pub mass_g: f32,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub id: String,
    pub title: String,
    /// Shown while the step is being done.
    pub hint: String,
    /// What is done to the patient's body when the step begins.
    #[serde(default)]
    pub orders: Vec<Order>,
    pub done_when: StepWhen,
}

/// What ends a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum StepWhen {
    /// Both tips are this near to the lesion, for so long.
    ToolsAtLesion { within_mm: Millimetres, hold_secs: Seconds },
    /// Tissue this near to the lesion is held with at least this force, for so long.
    LesionHeld { within_mm: Millimetres, force_n: Newtons, hold_secs: Seconds },
    /// The lesion's piece hangs on nothing any more.
    LesionFree,
    /// The freed piece is this far above where it was.
    SpecimenLifted { by_mm: Millimetres },
    /// So many rings stand on pegs of this half, each passed from hand to hand in the air on its way.
    RingsOn { half: Half, count: usize },
    /// Nothing of this attachment holds any more.
    AttachmentDivided { name: String },
    /// The monitor shows more than this, for so long.
    SignAbove { sign: Sign, value: f64, hold_secs: Seconds },
    /// The monitor shows less than this, for so long.
    SignBelow { sign: Sign, value: f64, hold_secs: Seconds },
}

/// An error that the trainee may commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    pub id: String,
    pub title: String,
    /// A critical error fails the attempt, whatever the score.
    pub critical: bool,
    pub when: ErrorWhen,
}

/// What makes an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ErrorWhen {
    /// A cut came this near to the lesion (0 is into it).
    CutWithin { mm: f32 },
    /// Stress in tissue that stays in the patient passed its limit.
    RemnantOverstressed,
    /// Tissue slipped out of the jaws.
    TissueSlipped,
    /// Tissue was pressed, gripped or strained beyond its limits.
    TissueDamaged,
    /// Tissue tore.
    TissueTorn,
    /// An attachment gave way under a pull.
    AttachmentTorn,
    /// A ring fell outside the field.
    RingLost,
    /// A ring was dropped inside the field.
    RingDropped,
    /// The monitor showed more than this, for so long.
    SignAbove { sign: Sign, value: f64, hold_secs: Seconds },
    /// The monitor showed less than this, for so long.
    SignBelow { sign: Sign, value: f64, hold_secs: Seconds },
}

/// Where the camera stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    pub eye_mm: PointMm,
    pub target_mm: PointMm,
}
