//! The contours of a DICOM structure set (PS3.3 §C.8.8.6) as a label map on the grid of the scan: a region's ROI number is its label.
//!
//! Contours of one region in one plane are counted even–odd, so that a hole may be a contour of its own inside the outer one, or joined
//! to it by a channel of no width, the keyhole (§C.8.8.6.3). A voxel belongs to a region when its centre lies inside, or on a contour:
//! programs that trace labels put the points on the centres of the outermost voxels. Along the normal a contour holds for the slab around
//! its plane, half way to its neighbours at their usual distance: a wider gap stays empty.

use std::collections::BTreeMap;

use glam::{DAffine3, DVec3};

use super::{
    dicom::{DataSet, tags},
    info::Fault,
};
use crate::geom::Volume;

/// Points of a contour may lie out of its plane by this, mm, or by this share of the scan's step: rounding in decimal strings.
const FLAT_MM: f64 = 0.05;
const FLAT_STEP: f64 = 0.05;
/// Planes nearer than this are one, mm.
const SAME_PLANE_MM: f64 = 0.01;
/// Planes further apart than this many times their usual step leave a gap.
const GAP: f64 = 1.5;
/// Centres this near to a contour lie on it, voxels.
const ON_CONTOUR: f64 = 1e-3;

/// Whether a data set is a structure set with contours.
pub(crate) fn is_structure_set(set: &DataSet<'_>) -> bool {
    set.get(tags::ROI_CONTOURS).is_some() || set.text(tags::MODALITY).as_deref() == Some("RTSTRUCT")
}

/// Numbers and names of the regions that can be labels, in the order of the file.
pub(crate) fn names(set: &DataSet<'_>) -> Vec<(u8, String)> {
    let name = |roi: &DataSet<'_>| Some((roi.text(tags::ROI_NUMBER)?.parse().ok()?, roi.text(tags::ROI_NAME)?));
    set.items(tags::ROI).iter().filter_map(name).collect()
}

/// Draws every region with a number from 1 to 255 on the grid of `image`. Where regions overlap the first of `wanted` covers the others,
/// and else the higher number the lower.
///
/// # Errors
/// The [`Fault`] of a region among `wanted`; others that cannot be drawn are left out.
pub(crate) fn label_map<T>(set: &DataSet<'_>, name: &str, wanted: &[u8], image: &Volume<T>) -> Result<Volume<u8>, Fault> {
    let bad = |what: String| Fault::new("bad_structure_set", format!("{name} {what}"));
    if set.broken {
        return Err(bad("ends inside its contours; fetch the file again".into()));
    }
    let mut regions: BTreeMap<u8, &DataSet<'_>> = BTreeMap::new();
    for region in set.items(tags::ROI_CONTOURS) {
        let number = region.text(tags::REFERENCED_ROI).and_then(|n| n.parse().ok()).filter(|&n: &u8| n > 0);
        if let Some(number) = number
            && regions.insert(number, region).is_some()
            && wanted.contains(&number)
        {
            return Err(bad(format!("gives ROI {number} (3006,0084) twice")));
        }
    }
    let frame = Slices::of(image);
    let mut drawn = Vec::new();
    for (&number, region) in &regions {
        match planes(region, number, &frame, name) {
            Ok(planes) => drawn.push((number, planes)),
            Err(fault) if wanted.contains(&number) => return Err(fault),
            Err(_) => {}
        }
    }
    // one plane alone does not say how thick it is: what is usual among the others does
    let mut steps: Vec<f64> = drawn.iter().flat_map(|(_, planes)| planes.windows(2).map(|p| p[1].depth - p[0].depth)).collect();
    steps.sort_by(f64::total_cmp);
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(frame.step);
    drawn.sort_by_key(|(number, _)| (wanted.first() == Some(number), *number));
    let mut voxels = vec![0; image.voxels.len()];
    for (number, planes) in &drawn {
        frame.draw(*number, planes, usual, &mut voxels);
    }
    Ok(Volume { dims: image.dims, lps_from_voxel: image.lps_from_voxel, voxels })
}

/// The contours of one region in one plane.
struct Plane {
    /// Along the normal of the scan's slices, mm.
    depth: f64,
    /// Half of ContourSlabThickness where it is given, mm.
    half: Option<f64>,
    /// From point to point in the plane, voxels along i and j.
    edges: Vec<[[f64; 2]; 2]>,
}

/// The planes of a region, by depth.
fn planes(region: &DataSet<'_>, number: u8, frame: &Slices, name: &str) -> Result<Vec<Plane>, Fault> {
    let mut planes: Vec<Plane> = Vec::new();
    for (at, contour) in region.items(tags::CONTOURS).iter().enumerate() {
        let bad = |what: &str| {
            let message = format!("contour {} of ROI {number} in {name} {what}", at + 1);
            Fault::new("bad_contour", message)
        };
        match contour.text(tags::CONTOUR_TYPE).as_deref() {
            Some("CLOSED_PLANAR" | "CLOSEDPLANAR_XOR") => {}
            // points and lines enclose nothing
            Some("POINT" | "OPEN_PLANAR" | "OPEN_NONPLANAR") => continue,
            Some(_) => return Err(bad("is of a type (3006,0042) that is not known")),
            None => return Err(bad("does not say its type (3006,0042)")),
        }
        let numbers =
            contour.number_list(tags::CONTOUR_DATA).ok_or_else(|| bad("holds something else than numbers (3006,0050)"))?;
        if numbers.len() % 3 != 0 || numbers.len() < 9 {
            return Err(bad("does not hold three or more points of three coordinates (3006,0050)"));
        }
        let announced = contour.text(tags::CONTOUR_POINTS).and_then(|n| n.parse::<usize>().ok());
        if announced.is_some_and(|count| count != numbers.len() / 3) {
            return Err(bad("holds another number of points than it announces (3006,0046)"));
        }
        let points: Vec<DVec3> =
            numbers.chunks_exact(3).map(|p| frame.axes_from_lps.transform_point3(DVec3::from_slice(p))).collect();
        let depth = points.iter().map(|p| p.z).sum::<f64>() / points.len() as f64;
        if points.iter().any(|p| !p.is_finite() || (p.z - depth).abs() > FLAT_MM + FLAT_STEP * frame.step) {
            return Err(bad("does not lie in a plane along the scan's slices"));
        }
        let half = contour.numbers::<1>(tags::CONTOUR_SLAB).map(|[mm]| 0.5 * mm).filter(|&mm| mm > 0.0);
        let next = points.iter().cycle().skip(1);
        let edges = points.iter().zip(next).map(|(a, b)| [[a.x, a.y], [b.x, b.y]]).collect();
        planes.push(Plane { depth, half, edges });
    }
    if planes.is_empty() {
        let message = format!("ROI {number} in {name} has no closed contours: it is no region");
        return Err(Fault::new("bad_contour", message));
    }
    planes.sort_by(|a, b| a.depth.total_cmp(&b.depth));
    planes.dedup_by(|next, plane| {
        let same = next.depth - plane.depth < SAME_PLANE_MM;
        if same {
            plane.edges.append(&mut next.edges);
            plane.half = [plane.half, next.half].into_iter().flatten().reduce(f64::max);
        }
        same
    });
    planes.iter_mut().for_each(|plane| plane.edges = without_channels(std::mem::take(&mut plane.edges)));
    Ok(planes)
}

/// Edges that are walked once in each direction bound nothing: the channels of keyholes.
fn without_channels(edges: Vec<[[f64; 2]; 2]>) -> Vec<[[f64; 2]; 2]> {
    let key = |[a, b]: [[f64; 2]; 2]| [a, b].map(|p| p.map(|v| (v / ON_CONTOUR).round() as i64));
    let mut open: BTreeMap<[[i64; 2]; 2], Vec<usize>> = BTreeMap::new();
    let mut kept = vec![true; edges.len()];
    for (at, &[a, b]) in edges.iter().enumerate() {
        if let Some(back) = open.get_mut(&key([b, a])).and_then(Vec::pop) {
            (kept[at], kept[back]) = (false, false);
        } else {
            open.entry(key([a, b])).or_default().push(at);
        }
    }
    edges.into_iter().zip(kept).filter_map(|(edge, kept)| kept.then_some(edge)).collect()
}

/// The scan's slices as contours see them.
struct Slices {
    /// To voxels along i and j, and mm along the normal from the first slice.
    axes_from_lps: DAffine3,
    dims: [usize; 3],
    /// Between slices, mm.
    step: f64,
}

impl Slices {
    fn of<T>(image: &Volume<T>) -> Self {
        let step = image.lps_from_voxel.z_axis.length();
        let axes_from_lps = DAffine3::from_scale(DVec3::new(1.0, 1.0, step)) * image.lps_from_voxel.inverse();
        Self { axes_from_lps, dims: image.dims, step }
    }

    /// Draws a region over what is there; `usual` is the step between planes where the region has only one, mm.
    fn draw(&self, number: u8, planes: &[Plane], usual: f64, voxels: &mut [u8]) {
        let mut steps: Vec<f64> = planes.windows(2).map(|pair| pair[1].depth - pair[0].depth).collect();
        steps.sort_by(f64::total_cmp);
        let step = steps.get(steps.len() / 2).copied().unwrap_or(usual);
        let size = self.dims[0] * self.dims[1];
        let mut mask: Option<(usize, Vec<bool>)> = None;
        for k in 0..self.dims[2] {
            let depth = k as f64 * self.step;
            let above = planes.partition_point(|plane| plane.depth < depth);
            let distance = |at: usize| (planes[at].depth - depth).abs();
            let near =
                (above.saturating_sub(1)..(above + 1).min(planes.len())).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            let Some(near) = near else { continue };
            let other = if planes[near].depth < depth { near + 1 } else { near.wrapping_sub(1) };
            let apart = planes.get(other).map(|other| (other.depth - planes[near].depth).abs()).filter(|&d| d <= GAP * step);
            let half = planes[near].half.unwrap_or(0.0).max(0.5 * apart.unwrap_or(step));
            if distance(near) > half + SAME_PLANE_MM {
                continue;
            }
            if mask.as_ref().is_none_or(|(of, _)| *of != near) {
                mask = Some((near, inside(&planes[near].edges, [self.dims[0], self.dims[1]])));
            }
            let Some((_, mask)) = &mask else { continue };
            voxels[k * size..(k + 1) * size].iter_mut().zip(mask).filter(|(_, inside)| **inside).for_each(|(v, _)| *v = number);
        }
    }
}

/// Which voxel centres of a slice lie inside closed contours, counted even–odd, or on them.
fn inside(edges: &[[[f64; 2]; 2]], [columns, rows]: [usize; 2]) -> Vec<bool> {
    // a crossing turns over everything to its right
    let mut turned = vec![false; columns * rows];
    let mut on = vec![false; columns * rows];
    let clamp = |v: f64, count: usize| v.clamp(0.0, count as f64) as usize;
    for &[a, b] in edges {
        let ([x0, y0], [x1, y1]) = if a[1] <= b[1] { (a, b) } else { (b, a) };
        let slope = (x1 - x0) / (y1 - y0);
        for row in clamp(y0.ceil(), rows)..clamp(y1.ceil(), rows) {
            let column = clamp((x0 + (row as f64 - y0) * slope).ceil(), columns);
            if column < columns {
                turned[column + columns * row] ^= true;
            }
        }
        for row in clamp((y0 - ON_CONTOUR).ceil(), rows)..clamp((y1 + ON_CONTOUR).floor() + 1.0, rows) {
            let (low, high) = if y1 - y0 <= ON_CONTOUR {
                (x0.min(x1), x0.max(x1))
            } else {
                let x = x0 + ((row as f64).clamp(y0, y1) - y0) * slope;
                (x, x)
            };
            for column in clamp((low - ON_CONTOUR).ceil(), columns)..clamp((high + ON_CONTOUR).floor() + 1.0, columns) {
                on[column + columns * row] = true;
            }
        }
    }
    for row in turned.chunks_exact_mut(columns) {
        let mut inside = false;
        for voxel in row {
            inside ^= *voxel;
            *voxel = inside;
        }
    }
    turned.iter_mut().zip(on).for_each(|(inside, on)| *inside |= on);
    turned
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn polygon(points: &[[f64; 2]]) -> Vec<[[f64; 2]; 2]> {
        points.iter().zip(points.iter().cycle().skip(1)).map(|(&a, &b)| [a, b]).collect()
    }

    fn circle(centre: [f64; 2], radius: f64) -> Vec<[[f64; 2]; 2]> {
        let at = |n: usize| {
            let angle = TAU * n as f64 / 720.0;
            [centre[0] + radius * angle.cos(), centre[1] + radius * angle.sin()]
        };
        polygon(&(0..720).map(at).collect::<Vec<_>>())
    }

    fn count(edges: &[[[f64; 2]; 2]]) -> f64 {
        inside(edges, [100, 80]).iter().filter(|inside| **inside).count() as f64
    }

    /// Counting lattice points in a circle of radius r is off by some r^⅔ (Gauss's circle problem).
    #[test]
    fn circles_rings_and_keyholes_have_their_areas() {
        let area = |r: f64| 0.5 * TAU * r * r;
        let (outer, inner) = (circle([49.3, 40.7], 31.4), circle([49.3, 40.7], 17.9));
        assert!((count(&outer) - area(31.4)).abs() < 10.0, "{}", count(&outer));
        let ring = [outer.clone(), inner.clone()].concat();
        assert!((count(&ring) - (area(31.4) - area(17.9))).abs() < 17.0, "{}", count(&ring));
        // the same ring as one contour: in by a channel, round the hole the other way, out by the same channel
        let start = |edges: &[[[f64; 2]; 2]]| edges[0][0];
        let back: Vec<_> = inner.iter().rev().map(|&[a, b]| [b, a]).collect();
        let keyhole = [&outer[..], &[[start(&outer), start(&inner)]], &back[..], &[[start(&inner), start(&outer)]]].concat();
        assert_eq!(inside(&without_channels(keyhole), [100, 80]), inside(&ring, [100, 80]));
        // and an island in the hole
        let island = [ring, circle([49.3, 40.7], 5.2)].concat();
        assert!((count(&island) - (area(31.4) - area(17.9) + area(5.2))).abs() < 20.0);
    }

    #[test]
    fn centres_on_a_contour_belong_to_it_and_what_lies_outside_the_slice_is_cut_off() {
        assert_eq!(count(&polygon(&[[2.0, 3.0], [6.0, 3.0], [6.0, 5.0], [2.0, 5.0]])), 15.0, "5 × 3 centres");
        assert_eq!(count(&polygon(&[[1.5, 2.5], [6.5, 2.5], [6.5, 5.5], [1.5, 5.5]])), 15.0, "the same along the voxels' edges");
        assert_eq!(count(&polygon(&[[2.0, 3.0], [6.0, 7.0], [2.0, 7.0]])), 15.0, "5 + 4 + 3 + 2 + 1, the diagonal with it");
        assert_eq!(count(&polygon(&[[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]])), 8000.0);
        assert_eq!(count(&polygon(&[[200.0, 3.0], [300.0, 3.0], [300.0, 9.0]])), 0.0);
    }
}
