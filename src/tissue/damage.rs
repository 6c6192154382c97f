//! Damage by hands: how much and how long tissue was pressed, gripped, strained or stressed, against what the literature says it bears.
//!
//! Every node keeps, for every limit of its tissue, how long the limit was passed in all (or for an impulse, force × time). Damage d is the largest
//! share of any limit's time that is spent; at 1 the node is bruised, is told of, drawn so, and its elements soften: their stiffness falls to
//! 1 − (1 − s)·b, b the share of their nodes that is bruised and s what the table says. Spent time adds up without healing (the linear rule of
//! Palmgren & Miner).
//!
//! Limits: pressure is a node's force over its share of the surface, so that of a tool finer than the elements is spread out; force is that
//! of one tool as a whole: what it pushes, or what its jaws press from each side or pinch. The table (`assets/models/damage.ron`) names its sources and what is this project's own choice.

use std::sync::LazyLock;

use glam::Vec3;
use serde::Deserialize;

use super::attach::nodal_areas;
use super::body::{BodyError, SoftBody};
use super::elements::Node;
use super::solver::StepReport;
use super::tear::largest_stretch;
use super::terms::{Against, Terms};

const TABLE: &str = include_str!("../../assets/models/damage.ron");

/// What a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Measure {
    /// On the surface, Pa.
    Pressure,
    /// Of one tool on tissue, N.
    Force,
    /// Its force times its time, N·s.
    Impulse,
    /// Von Mises, Pa.
    Stress,
    /// Largest principal stretch less one.
    Strain,
}

impl Measure {
    pub fn name(self) -> &'static str {
        match self {
            Measure::Pressure => "pressure",
            Measure::Force => "force",
            Measure::Impulse => "impulse",
            Measure::Stress => "stress",
            Measure::Strain => "strain",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Measure::Pressure | Measure::Stress => "Pa",
            Measure::Force => "N",
            Measure::Impulse => "N s",
            Measure::Strain => "1",
        }
    }
}

/// One limit of a tissue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub measure: Measure,
    pub above: f32,
    /// In all; 0 is at once.
    pub held_secs: f32,
    pub source: String,
}

/// What a tissue bears.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TissueLimits {
    pub tissue: String,
    pub limits: Vec<Limit>,
    /// Share of its stiffness that bruised tissue keeps.
    pub softening: f32,
    pub softening_source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    version: u32,
    tissues: Vec<TissueLimits>,
}

static LIMITS: LazyLock<Vec<TissueLimits>> = LazyLock::new(|| match ron::from_str::<Table>(TABLE) {
    Ok(table) if table.version == 1 => table.tissues,
    _ => Vec::new(),
});

/// What the literature says of a tissue; `None` where the table does not know it.
pub fn limits_of(tissue: &str) -> Option<&'static TissueLimits> {
    LIMITS.iter().find(|limits| limits.tissue == tissue)
}

/// The tissues that the table knows.
pub fn known_tissues() -> impl Iterator<Item = &'static str> {
    LIMITS.iter().map(|limits| limits.tissue.as_str())
}

/// Tissue that passed one of its limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Bruise {
    pub measure: Measure,
    /// What it was in this tick, in the unit of the measure.
    pub value: f32,
    pub above: f32,
    pub held_secs: f32,
    /// Nodes that passed it in this tick.
    pub nodes: usize,
    /// The worst of them, where it is and where it is at rest.
    pub node: u32,
    pub place: Vec3,
    pub rest: Vec3,
}

/// What a body knows of its damage.
#[derive(Debug, Clone, Default)]
pub(super) struct Damage {
    /// By material.
    rules: Vec<Option<TissueLimits>>,
    /// Time (s) or impulse (N·s) spent, by limit (numbered through all rules) and node; empty where nothing was.
    spent: Vec<Vec<f32>>,
    /// Damage of each node; empty while there is none.
    nodes: Vec<f32>,
    revision: u64,
    /// Normal force of tools on nodes in the last tick, N: tool, node, force.
    pressed: Vec<(u8, u32, f32)>,
    /// Share of the surface of each node, m², for a revision of it.
    areas: (Option<u64>, Vec<f32>),
    ticks: u32,
}

/// Strain and stress are looked at every so many ticks: 1/15 s at 90 Hz, as over-stress is.
const SELDOM: u32 = 6;

impl Damage {
    /// Share of its stiffness that an element keeps.
    pub fn firmness(&self, corners: [u32; 4], material: u8) -> f32 {
        if self.nodes.is_empty() {
            return 1.0;
        }
        let Some(Some(rules)) = self.rules.get(usize::from(material)) else { return 1.0 };
        let bruised = corners.iter().filter(|&&v| self.nodes.get(v as usize).is_some_and(|&d| d >= 1.0)).count();
        1.0 - (1.0 - rules.softening) * 0.25 * bruised as f32
    }
}

impl SoftBody {
    /// Lets the tissue of each material be damaged; `None`, and materials past the end, are not. Forgets what damage there is.
    ///
    /// # Errors
    /// [`BodyError::Limits`] where a limit is not positive or a softening outside 0 to 1; nothing is changed then.
    pub fn set_limits(&mut self, of_materials: &[Option<&TissueLimits>]) -> Result<(), BodyError> {
        let is_bad = |rules: &&TissueLimits| {
            let limit = |l: &Limit| !(l.above.is_finite() && l.above > 0.0 && l.held_secs.is_finite() && l.held_secs >= 0.0);
            rules.limits.iter().any(limit) || !(0.0..=1.0).contains(&rules.softening)
        };
        if let Some(rules) = of_materials.iter().flatten().find(|rules| is_bad(rules)) {
            return Err(BodyError::Limits { tissue: rules.tissue.clone() });
        }
        let had = !self.damage.nodes.is_empty();
        let rules: Vec<Option<TissueLimits>> = of_materials.iter().map(|rules| rules.cloned()).collect();
        let limits = rules.iter().flatten().map(|rules| rules.limits.len()).sum();
        let revision = self.damage.revision + 1;
        self.damage = Damage { rules, spent: vec![Vec::new(); limits], revision, ..Damage::default() };
        if had {
            self.rebuild_elements();
        }
        Ok(())
    }

    /// Damage of each node, 0 whole to 1 bruised; empty while there is none anywhere.
    pub fn damage(&self) -> &[f32] {
        &self.damage.nodes
    }

    /// Grows whenever a node is bruised.
    pub fn damage_revision(&self) -> u64 {
        self.damage.revision
    }

    /// Keeps what tools press on nodes in this tick.
    pub(super) fn note_pressure(&mut self, terms: &Terms, moved: &[Node]) {
        self.damage.pressed.clear();
        if self.damage.rules.iter().all(Option::is_none) {
            return;
        }
        for contact in &terms.contacts {
            let Against::Tool(tool) = contact.against else { continue };
            let force = contact.normal_force(moved);
            if force > 0.0 {
                let parts = contact.nodes.iter().zip(&contact.weights).filter(|(_, weight)| **weight > 0.0);
                self.damage.pressed.extend(parts.map(|(&node, &weight)| (tool, node, force * weight)));
            }
        }
        self.damage.pressed.sort_by_key(|&(tool, node, _)| (tool, node));
        self.damage.pressed.dedup_by(|next, first| {
            let same = (first.0, first.1) == (next.0, next.1);
            if same {
                first.2 += next.2;
            }
            same
        });
    }

    /// New nodes are as damaged as those they come from.
    pub(super) fn inherit_damage(&mut self, parents_of_nodes: &[[u32; 2]]) {
        for of_nodes in self.damage.spent.iter_mut().chain([&mut self.damage.nodes]).filter(|list| !list.is_empty()) {
            for &[a, b] in parents_of_nodes {
                of_nodes.push(0.5 * (of_nodes[a as usize] + of_nodes[b as usize]));
            }
        }
    }

    /// Share of its stiffness that an element keeps.
    pub(super) fn firmness(&self, tet: usize) -> f32 {
        self.damage.firmness(self.tets[tet], self.tet_material[tet])
    }

    /// Adds up what the last step did to the tissue; the answer is what passed a limit by it.
    pub fn bruise(&mut self, report: &StepReport, dt_secs: f32) -> Vec<Bruise> {
        if self.damage.rules.iter().all(Option::is_none) {
            return Vec::new();
        }
        let mut damage = std::mem::take(&mut self.damage);
        damage.ticks += 1;
        let mut bruises = Vec::new();
        let mut changed = Vec::new();
        let mut number = 0;
        let deep = damage.ticks.is_multiple_of(SELDOM);
        let rules = std::mem::take(&mut damage.rules);
        for (material, rules) in rules.iter().enumerate() {
            for limit in rules.iter().flat_map(|rules| &rules.limits) {
                let values = match limit.measure {
                    Measure::Pressure => self.pressures(&mut damage, report),
                    Measure::Force | Measure::Impulse => self.forces(&damage, report),
                    Measure::Stress | Measure::Strain if !deep => Vec::new(),
                    Measure::Stress => self.stresses(limit.above),
                    Measure::Strain => self.strains(limit.above),
                };
                let secs =
                    if matches!(limit.measure, Measure::Stress | Measure::Strain) { SELDOM as f32 * dt_secs } else { dt_secs };
                let of_material = self.nodes_of(&values, material);
                self.spend(&mut damage, limit, number, &of_material, secs, &mut bruises, &mut changed);
                number += 1;
            }
        }
        damage.rules = rules;
        self.damage = damage;
        if !changed.is_empty() {
            self.damage.revision += 1;
            let mut softer = vec![false; self.rest.len()];
            changed.iter().for_each(|&v: &u32| softer[v as usize] = true);
            let is_softer: Vec<bool> = self.tets.iter().map(|tet| tet.iter().any(|&v| softer[v as usize])).collect();
            self.renew_elements(|tet| is_softer[tet as usize]);
        }
        bruises
    }

    fn spend(
        &self,
        damage: &mut Damage,
        limit: &Limit,
        number: usize,
        values: &[(u32, f32)],
        secs: f32,
        bruises: &mut Vec<Bruise>,
        changed: &mut Vec<u32>,
    ) {
        let is_impulse = limit.measure == Measure::Impulse;
        let mut worst: Option<(u32, f32)> = None;
        let mut nodes = 0;
        for &(node, value) in values.iter().filter(|(_, value)| is_impulse || *value >= limit.above) {
            let list = &mut damage.spent[number];
            list.resize(self.rest.len(), 0.0);
            let before = list[node as usize];
            let after = before + if is_impulse { value * secs } else { secs };
            list[node as usize] = after;
            let whole = if is_impulse { limit.above } else { limit.held_secs };
            // a tick's rounding does not make it one tick more
            let share = |spent: f32| if whole > 0.0 { spent / whole + 1e-5 } else { f32::from(u8::from(spent > 0.0)) };
            damage.nodes.resize(self.rest.len(), 0.0);
            let now = &mut damage.nodes[node as usize];
            if *now < 1.0 && share(after) >= 1.0 {
                changed.push(node);
            }
            *now = now.max(share(after).min(1.0));
            if share(before) < 1.0 && share(after) >= 1.0 {
                nodes += 1;
                let told = if is_impulse { after } else { value };
                if worst.is_none_or(|(_, most)| told > most) {
                    worst = Some((node, told));
                }
            }
        }
        if let Some((node, value)) = worst {
            let (place, rest) = (self.positions[node as usize], self.rest[node as usize]);
            let Limit { measure, above, held_secs, .. } = *limit;
            bruises.push(Bruise { measure, value, above, held_secs, nodes, node, place, rest });
        }
    }

    /// Those of the nodes that belong to elements of a material. With one material, all do.
    fn nodes_of(&self, values: &[(u32, f32)], material: usize) -> Vec<(u32, f32)> {
        if values.is_empty() || self.materials.len() == 1 {
            return values.to_vec();
        }
        let mut own = vec![false; self.rest.len()];
        for (corners, _) in self.tets.iter().zip(&self.tet_material).filter(|(_, of)| usize::from(**of) == material) {
            corners.iter().for_each(|&v| own[v as usize] = true);
        }
        values.iter().copied().filter(|(node, _)| own[*node as usize]).collect()
    }

    /// Pressure of tools on each node, Pa: of what touches it from outside, or of the jaws that hold it.
    fn pressures(&self, damage: &mut Damage, report: &StepReport) -> Vec<(u32, f32)> {
        if damage.pressed.is_empty() && self.anchors.is_empty() {
            return Vec::new();
        }
        if damage.areas.0 != Some(self.surface.revision) {
            damage.areas = (Some(self.surface.revision), nodal_areas(&self.surface, &self.rest));
        }
        let mut sums: std::collections::BTreeMap<u32, f32> = std::collections::BTreeMap::new();
        for &(_, node, force) in &damage.pressed {
            *sums.entry(node).or_default() += force;
        }
        let area = |node: u32| damage.areas.1[node as usize];
        sums.retain(|node, force| {
            *force /= area(*node).max(f32::MIN_POSITIVE);
            area(*node) > 0.0
        });
        for force in report.tool_forces.iter().filter(|force| force.pinch_pa > 0.0) {
            for anchor in self.anchors.iter().filter(|anchor| anchor.tool == force.tool) {
                let pressure = sums.entry(anchor.node).or_default();
                *pressure = pressure.max(force.pinch_pa);
            }
        }
        sums.into_iter().collect()
    }

    /// Force of the tool that touches or holds each node, N: of several, the largest.
    fn forces(&self, damage: &Damage, report: &StepReport) -> Vec<(u32, f32)> {
        let mut largest: std::collections::BTreeMap<u32, f32> = std::collections::BTreeMap::new();
        for force in &report.tool_forces {
            let tool = force.tool;
            let pressed = damage.pressed.iter().filter(|pressed| pressed.0 == tool);
            // jaws press from both sides: half of what they press in all is the force of each
            let both: f32 = pressed.clone().map(|pressed| pressed.2).sum();
            let whole = (0.5 * both).max(force.contact_n.length()).max(force.pinch_n);
            let held = self.anchors.iter().filter(|anchor| anchor.tool == tool).map(|anchor| anchor.node);
            for node in pressed.map(|pressed| pressed.1).chain(held) {
                let entry = largest.entry(node).or_default();
                *entry = entry.max(whole);
            }
        }
        largest.into_iter().filter(|(_, force)| *force > 0.0).collect()
    }

    fn stresses(&self, above: f32) -> Vec<(u32, f32)> {
        if !self.stress.iter().any(|&stress| stress >= above) {
            return Vec::new();
        }
        (0u32..).zip(self.nodal_stress()).filter(|(_, stress)| *stress >= above).collect()
    }

    /// Largest strain of the elements around each node that passes `above`.
    fn strains(&self, above: f32) -> Vec<(u32, f32)> {
        let stretch = 1.0 + above;
        let mut largest: std::collections::BTreeMap<u32, f32> = std::collections::BTreeMap::new();
        for (tet, &stress) in self.stress.iter().enumerate() {
            // tension to that stretch takes about μ (λ² − 1/λ): what has far less is not looked at
            let mu = self.material(tet).moduli().0 * self.firmness(tet);
            if stress < 0.5 * mu * (stretch * stretch - 1.0 / stretch) {
                continue;
            }
            if let Some(strain) = largest_stretch(self, tet).map(|stretch| stretch as f32 - 1.0).filter(|strain| *strain >= above)
            {
                for &v in &self.tets[tet] {
                    let entry = largest.entry(v).or_default();
                    *entry = entry.max(strain);
                }
            }
        }
        largest.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_every_limit_names_its_source() {
        assert!(known_tissues().eq(["bowel", "liver"]));
        for tissue in known_tissues() {
            let limits = limits_of(tissue).expect("it is known");
            assert!(!limits.limits.is_empty() && !limits.softening_source.is_empty());
            assert!(limits.limits.iter().all(|limit| limit.above > 0.0 && limit.source.len() > 20));
        }
        assert!(limits_of("brain").is_none());
    }
}
