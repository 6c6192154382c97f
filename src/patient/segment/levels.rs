//! Between which values which tissue lies: limits from the literature, moved to where the scan's own histogram has its peaks and valleys.

use serde::Serialize;

/// Values searched for a body and for its soft tissue, HU.
const BODY: [f64; 2] = [-1050.0, 250.0];
/// Fat lies between −190 and −30 HU (L. Sjöström et al., “Determination of total adipose tissue and body fat in women by computed
/// tomography”, Am. J. Physiol. 250:E736–E745, 1986), its peak here.
const FAT_PEAK: [f64; 2] = [-150.0, -50.0];
/// Muscle and organs begin at −29 HU (N. Mitsiopoulos et al., “Cadaver validation of skeletal muscle measurement by MRI and CT”, J. Appl.
/// Physiol. 85:115–122, 1998); the valley between the two peaks is looked for here.
const FAT_ENDS: [f64; 2] = [-60.0, 0.0];
/// Soft tissue ends at 150 HU (Mitsiopoulos), where spongy bone begins.
pub const SOFT_ENDS: f64 = 150.0;
/// Cortical bone, and what else grows from it: above what contrast medium leaves in a vein (U. Schneider et al., “Correlation between CT
/// numbers and tissue parameters”, Phys. Med. Biol. 45:459–478, 2000: cortical bone 300 to 1600 HU).
pub const CORTICAL: f64 = 300.0;
/// Muscle and spinal cord end at about this value.
const MUSCLE_ENDS: f64 = 60.0;

/// The limits of one scan, HU.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Levels {
    /// Air ends here: half way to the body, by Otsu.
    pub air_ends: f64,
    /// The commonest value of fat; nothing where the scan shows none.
    pub fat_peak: Option<f64>,
    /// Fat ends here: in the valley of the histogram.
    pub fat_ends: f64,
    /// The commonest value of soft tissue, and the spread about it.
    pub soft_peak: f64,
    pub soft_sd: f64,
    /// The value of blood with contrast medium; nothing where no vessel stands out.
    pub blood: Option<f64>,
    /// Vessels begin here.
    pub vessel_begins: f64,
    /// Bone begins here, and where it adjoins denser bone.
    pub bone_begins: f64,
    pub bone_edge: f64,
}

impl Levels {
    /// Where air ends among `values`; nothing where they have no two sides.
    pub fn air(values: impl Iterator<Item = f32>) -> Option<f64> {
        Histogram::new(values, BODY, 5.0).otsu()
    }

    /// The limits by the values of the body without air; nothing where no soft tissue is.
    pub fn new(air_ends: f64, tissue: impl Iterator<Item = f32>) -> Option<Self> {
        let histogram = Histogram::new(tissue, [-200.0, SOFT_ENDS], 2.0).smoothed();
        let least = histogram.counts.iter().sum::<f64>() * 1e-3;
        let fat_peak = histogram.peak(FAT_PEAK).filter(|&peak| histogram.at(peak) > least);
        let soft_peak = histogram.peak([FAT_ENDS[0].max(-30.0), SOFT_ENDS]).filter(|&peak| histogram.at(peak) > least)?;
        let fat_ends = histogram.valley(FAT_ENDS).min(soft_peak - 10.0);
        let soft_sd = (histogram.half_width_above(soft_peak) / 1.177).clamp(5.0, 40.0);
        let bone_edge = soft_peak + 3.0 * soft_sd;
        Some(Self {
            air_ends,
            fat_peak,
            fat_ends,
            soft_peak,
            soft_sd,
            blood: None,
            vessel_begins: soft_peak + 2.5 * soft_sd,
            bone_begins: (soft_peak + 4.0 * soft_sd).max(SOFT_ENDS),
            bone_edge,
        })
    }

    /// Whether muscle, the spinal cord or the brain has this value: they lie in rings of bone and are none.
    pub fn is_muscle(&self, value: f64) -> bool {
        value > self.fat_ends && value < (self.soft_peak + self.soft_sd).min(MUSCLE_ENDS)
    }
}

struct Histogram {
    low: f64,
    step: f64,
    counts: Vec<f64>,
}

impl Histogram {
    fn new(values: impl Iterator<Item = f32>, [low, high]: [f64; 2], step: f64) -> Self {
        let mut counts = vec![0.0; ((high - low) / step) as usize];
        for value in values.map(f64::from).filter(|v| (low..high).contains(v)) {
            if let Some(count) = counts.get_mut(((value - low) / step) as usize) {
                *count += 1.0;
            }
        }
        Self { low, step, counts }
    }

    fn middle(&self, bin: usize) -> f64 {
        self.low + (bin as f64 + 0.5) * self.step
    }

    fn bin(&self, value: f64) -> usize {
        (((value - self.low) / self.step).max(0.0) as usize).min(self.counts.len() - 1)
    }

    fn at(&self, value: f64) -> f64 {
        self.counts[self.bin(value)]
    }

    /// Averaged over some ten units, so that noise makes no peaks.
    fn smoothed(self) -> Self {
        let weight = |r: usize| [0.2, 0.176, 0.121, 0.065, 0.027, 0.011][r];
        let counts = (0..self.counts.len())
            .map(|n| {
                let near = |r: usize| {
                    let below = n.checked_sub(r).map_or(0.0, |n| self.counts[n]);
                    below + self.counts.get(n + r).copied().unwrap_or(0.0)
                };
                weight(0) * self.counts[n] + (1..6).map(|r| weight(r) * near(r)).sum::<f64>()
            })
            .collect();
        Self { counts, ..self }
    }

    /// The limit that parts two classes best: N. Otsu, “A Threshold Selection Method from Gray-Level Histograms”, IEEE Trans. SMC 9:62–66, 1979.
    fn otsu(&self) -> Option<f64> {
        let all: f64 = self.counts.iter().sum();
        let sum: f64 = self.counts.iter().enumerate().map(|(n, count)| count * self.middle(n)).sum();
        let (mut below, mut sum_below) = (0.0, 0.0);
        let mut best: Option<(f64, usize)> = None;
        for (n, count) in self.counts.iter().enumerate() {
            below += count;
            sum_below += count * self.middle(n);
            if below > 0.0 && below < all {
                let between = (sum * below / all - sum_below).powi(2) / (below * (all - below));
                if best.is_none_or(|(found, _)| between > found) {
                    best = Some((between, n));
                }
            }
        }
        best.map(|(_, n)| self.low + (n + 1) as f64 * self.step)
    }

    fn peak(&self, [low, high]: [f64; 2]) -> Option<f64> {
        let bins = self.bin(low)..=self.bin(high);
        bins.max_by(|&a, &b| self.counts[a].total_cmp(&self.counts[b]).then(b.cmp(&a))).map(|n| self.middle(n))
    }

    fn valley(&self, [low, high]: [f64; 2]) -> f64 {
        let bins = self.bin(low)..=self.bin(high);
        bins.min_by(|&a, &b| self.counts[a].total_cmp(&self.counts[b]).then(a.cmp(&b))).map_or(low, |n| self.middle(n))
    }

    /// From a peak up to where half of it is left.
    fn half_width_above(&self, peak: f64) -> f64 {
        let half = 0.5 * self.at(peak);
        let end = (self.bin(peak)..self.counts.len()).find(|&n| self.counts[n] < half);
        end.map_or(SOFT_ENDS, |n| self.middle(n)) - peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values about a middle: a fixed fan instead of random ones.
    fn about(middle: f32, sd: f32, count: usize) -> impl Iterator<Item = f32> {
        (0..count).map(move |n| {
            let sum: f32 = (0..12).map(|k| ((n * 7919 + k * 104_729 + n * n * (k + 1)) % 1000) as f32 / 1000.0).sum();
            middle + sd * (sum - 6.0)
        })
    }

    #[test]
    fn the_limits_follow_the_peaks_of_the_scan() {
        // the same body as it is, and by a scanner that reads 20 HU too high
        for shift in [0.0, 20.0] {
            let tissue = about(-100.0, 15.0, 30_000).chain(about(45.0, 12.0, 60_000)).map(|v| v + shift);
            let levels = Levels::new(-480.0, tissue).expect("soft tissue");
            let shift = f64::from(shift);
            assert!((levels.fat_peak.unwrap_or(0.0) - (-100.0 + shift)).abs() < 6.0, "{levels:?}");
            assert!((levels.soft_peak - (45.0 + shift)).abs() < 6.0 && (levels.soft_sd - 12.0).abs() < 4.0, "{levels:?}");
            assert!((-60.0..=0.0).contains(&levels.fat_ends), "{levels:?}");
        }
        assert_eq!(Levels::new(-480.0, about(-900.0, 10.0, 1000)), None);
        let air = Levels::air(about(-1000.0, 20.0, 5000).chain(about(40.0, 20.0, 5000))).expect("two sides");
        assert!((-950.0..-20.0).contains(&air), "{air}");
    }
}
