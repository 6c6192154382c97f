//! How well a bot's hands work. An expert is quick, direct and gentle; a novice differs in stated ways and in no others.

/// The habits of a pair of hands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skill {
    pub name: &'static str,
    /// Mean speed of a free movement, m/s.
    pub speed_m_per_s: f32,
    /// Amplitude (one standard deviation per axis) of the hand's tremor, m. Physiological tremor lies at 8–12 Hz.
    pub tremor_m: f32,
    /// Chance that a longer movement goes by a detour, and how far off the straight line, m.
    pub detour_chance: f32,
    pub detour_m: f32,
    /// Chance of hesitating before a movement, and for how long at most, s.
    pub pause_chance: f32,
    pub pause_secs: f32,
    /// Chance of opening the jaws by mistake while carrying.
    pub drop_chance: f32,
    /// How far beyond what is needed the hand pulls, m.
    pub extra_pull_m: f32,
    /// Standard deviation of where a cut is aimed, m.
    pub aim_m: f32,
}

impl Skill {
    pub const EXPERT: Self = Self {
        name: "expert",
        speed_m_per_s: 0.09,
        tremor_m: 0.00005,
        detour_chance: 0.0,
        detour_m: 0.0,
        pause_chance: 0.0,
        pause_secs: 0.0,
        drop_chance: 0.0,
        extra_pull_m: 0.0,
        aim_m: 0.0,
    };

    pub const NOVICE: Self = Self {
        name: "novice",
        speed_m_per_s: 0.06,
        tremor_m: 0.0006,
        detour_chance: 0.4,
        detour_m: 0.02,
        pause_chance: 0.25,
        pause_secs: 0.5,
        drop_chance: 0.06,
        extra_pull_m: 0.012,
        aim_m: 0.0015,
    };

    /// The skill of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::EXPERT, Self::NOVICE].into_iter().find(|skill| skill.name == name)
    }
}
