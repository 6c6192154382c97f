//! What a segmentation leaves that no organ has: islands, holes, and leaks through a narrow neck.

use super::grow::{neighbours, on_edge, parts};

/// Drops the parts of a label in which no seed lies; gives how many voxels that were.
pub fn drop_islands(classes: &mut [u8], dims: [usize; 3], class: u8, seeds: &[usize]) -> usize {
    let (part, sizes) = parts(dims, |at| classes[at] == class);
    let mut kept = vec![false; sizes.len()];
    seeds.iter().filter(|&&at| classes[at] == class).for_each(|&at| kept[part[at] as usize] = true);
    let mut dropped = 0;
    for at in 0..classes.len() {
        if classes[at] == class && !kept[part[at] as usize] {
            classes[at] = 0;
            dropped += 1;
        }
    }
    dropped
}

/// Fills background that a label encloses on all sides; gives how many voxels that were.
pub fn fill_holes(classes: &mut [u8], dims: [usize; 3], class: u8) -> usize {
    let (part, sizes) = parts(dims, |at| classes[at] != class);
    let mut hole = vec![true; sizes.len()];
    hole[0] = false;
    // what reaches the edge of the images is open, and what holds another label is no hole
    for at in 0..classes.len() {
        if part[at] != 0 && (classes[at] != 0 || on_edge(dims, at)) {
            hole[part[at] as usize] = false;
        }
    }
    let mut filled = 0;
    for at in 0..classes.len() {
        if hole[part[at] as usize] {
            classes[at] = class;
            filled += 1;
        }
    }
    filled
}

/// Drops what hangs on a label by a neck of at most two voxels: the label is worn down by one voxel, the parts without a seed go, and the
/// rest grows back where it was (an opening by reconstruction). Gives how many voxels went.
pub fn drop_leaks(classes: &mut [u8], dims: [usize; 3], class: u8, seeds: &[usize]) -> usize {
    let whole = |at: usize| classes[at] == class && neighbours(dims, at).all(|next| classes[next] == class);
    let core: Vec<bool> = (0..classes.len()).map(whole).collect();
    let (part, sizes) = parts(dims, |at| core[at]);
    let mut kept = vec![false; sizes.len()];
    // a seed itself may lie in the rind
    for &at in seeds {
        std::iter::once(at).chain(neighbours(dims, at)).for_each(|near| kept[part[near] as usize] = true);
    }
    kept[0] = false;
    if !kept.contains(&true) {
        return 0; // an organ so thin has no core: nothing can be told from its shape
    }
    // back where it was: first to where the core had a face, then over edges and corners
    let mut near: Vec<bool> = part.iter().map(|&p| kept[p as usize]).collect();
    for _ in 0..3 {
        let grown: Vec<bool> = (0..classes.len())
            .map(|at| near[at] || (classes[at] == class && neighbours(dims, at).any(|next| near[next])))
            .collect();
        near = grown;
    }
    let mut dropped = 0;
    // thin rims that belong to no other core stay: an organ ends in them
    let (rest, sizes) = parts(dims, |at| classes[at] == class && !near[at]);
    let mut leak = vec![false; sizes.len()];
    (0..classes.len()).filter(|&at| core[at] && !near[at]).for_each(|at| leak[rest[at] as usize] = true);
    for at in 0..classes.len() {
        if rest[at] != 0 && leak[rest[at] as usize] {
            classes[at] = 0;
            dropped += 1;
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lattice 12 × 5 × 5 with a body (x 0–4), a neck one voxel thick (x 5–6) and a leak (x 7–11).
    fn body() -> Vec<u8> {
        (0..300)
            .map(|at| (at % 12, at / 12 % 5, at / 60))
            .map(|(i, j, k)| u8::from(!(5..7).contains(&i) || (j == 2 && k == 2)))
            .collect()
    }

    #[test]
    fn islands_holes_and_leaks_go_and_the_rest_stays() {
        let dims = [12, 5, 5];
        let seed = [2 + 12 * (2 + 5 * 2)];
        let mut leaking = body();
        // the body grows back by three voxels: the neck, and one of the leak
        let dropped = drop_leaks(&mut leaking, dims, 1, &seed);
        assert_eq!(dropped, 124);
        assert!((0..300).filter(|at| at % 12 < 5).all(|at| leaking[at] == 1), "the body stays whole");

        let mut island = body();
        (0..300).filter(|at| (5..7).contains(&(at % 12))).for_each(|at| island[at] = 0);
        assert_eq!(drop_islands(&mut island, dims, 1, &seed), 125);

        let mut hollow = vec![1; 300];
        hollow[seed[0]] = 0;
        hollow[0] = 0;
        assert_eq!(fill_holes(&mut hollow, dims, 1), 1);
        assert_eq!(hollow[0], 0, "what lies open at the edge is no hole");
    }
}
