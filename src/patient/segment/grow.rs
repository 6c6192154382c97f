//! Connected parts of a lattice of voxels, over faces.

/// Part 0 of [`parts`]: outside.
pub const OUTSIDE: u32 = 0;

/// The face neighbours of a voxel that lie in the lattice.
pub fn neighbours([nx, ny, nz]: [usize; 3], at: usize) -> impl Iterator<Item = usize> {
    let (i, j, k) = (at % nx, at / nx % ny, at / (nx * ny));
    [
        (i > 0).then(|| at - 1),
        (i + 1 < nx).then_some(at + 1),
        (j > 0).then(|| at - nx),
        (j + 1 < ny).then_some(at + nx),
        (k > 0).then(|| at - nx * ny),
        (k + 1 < nz).then_some(at + nx * ny),
    ]
    .into_iter()
    .flatten()
}

/// The part of every voxel, counted from 1 in the order of the voxels ([`OUTSIDE`] where `inside` is false), and how many voxels each has;
/// the size of [`OUTSIDE`] is given as 0.
pub fn parts(dims: [usize; 3], inside: impl Fn(usize) -> bool) -> (Vec<u32>, Vec<usize>) {
    let count = dims.iter().product();
    let mut part = vec![OUTSIDE; count];
    let mut sizes = vec![0];
    let mut open = Vec::new();
    for first in 0..count {
        if part[first] != OUTSIDE || !inside(first) {
            continue;
        }
        let number = sizes.len() as u32;
        part[first] = number;
        open.push(first);
        let mut size = 0;
        while let Some(at) = open.pop() {
            size += 1;
            for next in neighbours(dims, at) {
                if part[next] == OUTSIDE && inside(next) {
                    part[next] = number;
                    open.push(next);
                }
            }
        }
        sizes.push(size);
    }
    (part, sizes)
}

/// Where the lattice ends: on one of its six faces.
pub fn on_edge([nx, ny, nz]: [usize; 3], at: usize) -> bool {
    let (i, j, k) = (at % nx, at / nx % ny, at / (nx * ny));
    i == 0 || j == 0 || k == 0 || i + 1 == nx || j + 1 == ny || k + 1 == nz
}
