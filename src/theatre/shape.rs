//! Shapes of the theatre made in code: lofts with creases, height fields over rings, and smooth noise.

use std::{collections::HashMap, f32::consts::TAU};

use bevy::{
    asset::RenderAssetUsages,
    math::{Vec2, Vec3, Vec3Swizzles},
    mesh::{Indices, Mesh, PrimitiveTopology},
};

/// Vertices and triangles on their way to a mesh.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    pub points: Vec<Vec3>,
    pub triangles: Vec<[u32; 3]>,
}

impl Shape {
    /// A skin over closed outlines of the same number of points, capped at both ends. Outlines run counter-clockwise seen from the
    /// end that the next outline lies toward.
    pub fn loft(outlines: &[Vec<Vec3>]) -> Self {
        let mut shape = Self::default();
        let Some(n) = outlines.first().map(|outline| outline.len() as u32) else { return shape };
        shape.points.extend(outlines.iter().flatten());
        for ring in 0..outlines.len() as u32 - 1 {
            for i in 0..n {
                let (a, b) = (ring * n + i, ring * n + (i + 1) % n);
                shape.triangles.extend([[a, b, b + n], [a, b + n, a + n]]);
            }
        }
        for (outline, turned) in [(&outlines[0], true), (&outlines[outlines.len() - 1], false)] {
            let centre = shape.points.len() as u32;
            shape.points.push(outline.iter().sum::<Vec3>() / n as f32);
            let first = if turned { 0 } else { (outlines.len() as u32 - 1) * n };
            for i in 0..n {
                let (a, b) = (first + i, first + (i + 1) % n);
                shape.triangles.push(if turned { [centre, b, a] } else { [centre, a, b] });
            }
        }
        shape
    }

    /// A turned part along z: radii at places, from the lowest z to the highest.
    pub fn turned(profile: &[(f32, f32)]) -> Self {
        Self::loft(
            &profile.iter().map(|&(z, radius)| outline(24, |angle| Vec2::from_angle(angle) * radius, z)).collect::<Vec<_>>(),
        )
    }

    /// A surface over a polar grid: `rows` rings by `columns` points, `at(share outward, angle)`, seen from above.
    pub fn polar(rows: usize, columns: usize, at: impl Fn(f32, f32) -> Vec3) -> Self {
        let mut shape = Self::default();
        for row in 0..=rows {
            for column in 0..columns {
                shape.points.push(at(row as f32 / rows as f32, TAU * column as f32 / columns as f32));
            }
        }
        for row in 0..rows {
            for column in 0..columns {
                let [a, b] = [column, (column + 1) % columns].map(|c| (row * columns + c) as u32);
                let n = columns as u32;
                shape.triangles.extend([[a, b + n, b], [a, a + n, b + n]]);
            }
        }
        shape
    }

    pub fn mapped(mut self, change: impl Fn(Vec3) -> Vec3) -> Self {
        self.points.iter_mut().for_each(|point| *point = change(*point));
        self
    }

    /// A mesh shaded smoothly, but hard across edges sharper than `crease_rad`.
    pub fn mesh(&self, crease_rad: f32) -> Mesh {
        let face = |[a, b, c]: [u32; 3]| {
            let [a, b, c] = [a, b, c].map(|v| self.points[v as usize]);
            (b - a).cross(c - a)
        };
        let faces: Vec<Vec3> = self.triangles.iter().map(|&triangle| face(triangle)).collect();
        let mut around: Vec<Vec<u32>> = vec![Vec::new(); self.points.len()];
        for (index, triangle) in self.triangles.iter().enumerate() {
            triangle.iter().for_each(|&v| around[v as usize].push(index as u32));
        }
        let (mut points, mut normals, mut indices) = (Vec::new(), Vec::new(), Vec::new());
        let mut known: HashMap<(u32, [u32; 3]), u32> = HashMap::new();
        let limit = crease_rad.cos();
        for (index, triangle) in self.triangles.iter().enumerate() {
            let own = faces[index].normalize_or_zero();
            for &v in triangle {
                let close =
                    around[v as usize].iter().map(|&f| faces[f as usize]).filter(|n| n.normalize_or_zero().dot(own) >= limit);
                let normal = close.sum::<Vec3>().normalize_or(own);
                let key = (v, (normal * 1e3).round().to_array().map(f32::to_bits));
                indices.push(*known.entry(key).or_insert_with(|| {
                    points.push(self.points[v as usize].to_array());
                    normals.push(normal.to_array());
                    points.len() as u32 - 1
                }));
            }
        }
        Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, points)
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, normals)
            .with_inserted_indices(Indices::U32(indices))
    }

    /// A smooth mesh with a colour (linear RGB) for each point.
    pub fn coloured(&self, colour: impl Fn(Vec3) -> Vec3) -> Mesh {
        let mesh = self.mesh(std::f32::consts::PI);
        let at = |point: &[f32; 3]| colour(Vec3::from(*point)).extend(1.0).to_array();
        let colours: Vec<[f32; 4]> = match mesh.attribute(Mesh::ATTRIBUTE_POSITION) {
            Some(bevy::mesh::VertexAttributeValues::Float32x3(points)) => points.iter().map(at).collect(),
            _ => Vec::new(),
        };
        mesh.with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, colours)
    }
}

/// A closed outline of `n` points at height `z`, counter-clockwise seen from +z when `at` turns with its angle.
pub(super) fn outline(n: usize, at: impl Fn(f32) -> Vec2, z: f32) -> Vec<Vec3> {
    (0..n).map(|i| at(TAU * i as f32 / n as f32).extend(z)).collect()
}

/// Value noise with smooth steps, 0 to 1, features of unit size.
pub(super) fn noise(at: Vec2) -> f32 {
    let (cell, share) = (at.floor(), at - at.floor());
    let s = share * share * (Vec2::splat(3.0) - 2.0 * share);
    let corner = |dx: f32, dy: f32| lattice(cell + Vec2::new(dx, dy));
    let low = corner(0.0, 0.0) + (corner(1.0, 0.0) - corner(0.0, 0.0)) * s.x;
    let high = corner(0.0, 1.0) + (corner(1.0, 1.0) - corner(0.0, 1.0)) * s.x;
    low + (high - low) * s.y
}

/// A number from 0 to 1 for each lattice point (the finaliser of MurmurHash3).
fn lattice(at: Vec2) -> f32 {
    let (x, y) = (at.x as i32 as u32, at.y as i32 as u32);
    let mut h = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    ((h ^ (h >> 16)) >> 8) as f32 / (1 << 24) as f32
}

/// Noise of four octaves over the ground plane.
pub(super) fn ground_noise(at: Vec3, size_m: f32) -> f32 {
    let p = at.xz() / size_m;
    (0..4).map(|octave| noise(p * f32::powi(2.0, octave) + 17.0 * octave as f32) * f32::powi(0.5, octave + 1)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(shape: &Shape) -> f32 {
        let tet = |t: &[u32; 3]| {
            let [a, b, c] = t.map(|v| shape.points[v as usize]);
            a.dot(b.cross(c)) / 6.0
        };
        shape.triangles.iter().map(tet).sum()
    }

    /// 24 sides: the polygon's area is 24/2 sin(2π/24) = 3.106 for radius 1.
    #[test]
    fn a_turned_part_is_closed_and_faces_outward() {
        let cylinder = Shape::turned(&[(0.0, 1.0), (2.0, 1.0)]);
        assert!((volume(&cylinder) - 2.0 * 12.0 * (TAU / 24.0).sin()).abs() < 1e-4);
    }

    #[test]
    fn a_polar_surface_faces_up() {
        let disc = Shape::polar(2, 8, |share, angle| Vec3::new(angle.cos(), 0.0, -angle.sin()) * (0.5 + share));
        let up = |t: &[u32; 3]| {
            let [a, b, c] = t.map(|v| disc.points[v as usize]);
            (b - a).cross(c - a).y
        };
        assert!(disc.triangles.iter().all(|t| up(t) > 0.0), "every triangle");
    }

    #[test]
    fn a_crease_splits_its_points_and_a_smooth_edge_does_not() {
        let cylinder = Shape::turned(&[(0.0, 1.0), (2.0, 1.0)]);
        let (hard, smooth) = (cylinder.mesh(0.6), cylinder.mesh(3.2));
        assert_eq!(smooth.count_vertices(), 50);
        assert_eq!(hard.count_vertices(), 50 + 48);
    }

    #[test]
    fn noise_stays_in_its_range() {
        assert!((0..1000).all(|i| (0.0..=1.0).contains(&noise(Vec2::new(0.37 * i as f32, -0.11 * i as f32)))));
    }
}
