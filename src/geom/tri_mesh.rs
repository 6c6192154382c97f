//! Triangle surfaces.

use glam::{DVec3, Vec3};

/// Triangles over shared vertices, in metres, counter-clockwise seen from outside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TriMesh {
    pub vertices: Vec<Vec3>,
    pub triangles: Vec<[u32; 3]>,
}

impl TriMesh {
    /// Volume inside a closed surface, m³, by the divergence theorem.
    pub fn volume(&self) -> f64 {
        self.triangles
            .iter()
            .map(|&[a, b, c]| {
                let [a, b, c]: [DVec3; 3] = [a, b, c].map(|v| self.vertices[v as usize].as_dvec3());
                a.dot(b.cross(c)) / 6.0
            })
            .sum()
    }

    /// Where the plane through `point` with normal `normal` cuts the surface: one piece of line for each triangle that it passes through. A
    /// vertex in the plane counts as above it, so that the pieces of a closed surface join up to closed lines.
    pub fn section(&self, point: Vec3, normal: Vec3) -> Vec<[Vec3; 2]> {
        let height: Vec<f32> = self.vertices.iter().map(|v| (*v - point).dot(normal)).collect();
        // from the edge's lower vertex number on, so that both of its triangles find the same point
        let cross = |a: u32, b: u32| {
            let [a, b] = [a.min(b) as usize, a.max(b) as usize];
            let share = height[a] / (height[a] - height[b]);
            self.vertices[a].lerp(self.vertices[b], share)
        };
        let cut = |&[a, b, c]: &[u32; 3]| {
            let crossed = |&(a, b): &(u32, u32)| (height[a as usize] >= 0.0) != (height[b as usize] >= 0.0);
            let mut ends = [(a, b), (b, c), (c, a)].into_iter().filter(crossed).map(|(a, b)| cross(a, b));
            Some([ends.next()?, ends.next()?])
        };
        self.triangles.iter().filter_map(cut).collect()
    }

    /// Unit normals per vertex, each triangle weighted by its area; zero where nothing touches the vertex.
    pub fn vertex_normals(&self) -> Vec<Vec3> {
        let mut normals = vec![Vec3::ZERO; self.vertices.len()];
        for triangle in &self.triangles {
            let [a, b, c] = triangle.map(|v| self.vertices[v as usize]);
            let area_normal = (b - a).cross(c - a);
            for v in triangle {
                normals[*v as usize] += area_normal;
            }
        }
        normals.iter_mut().for_each(|n| *n = n.normalize_or_zero());
        normals
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, f32::consts::PI};

    use super::*;

    /// A sphere of `radius`, `2 n` meridians by `n` parallels, its vertices on it.
    fn sphere(radius: f32, n: u32) -> TriMesh {
        let at = |i: u32, j: u32| {
            let (longitude, latitude) = (PI * i as f32 / n as f32, PI * j as f32 / n as f32);
            Vec3::new(latitude.sin() * longitude.cos(), latitude.sin() * longitude.sin(), latitude.cos()) * radius
        };
        let mut vertices: Vec<Vec3> = (1..n).flat_map(|j| (0..2 * n).map(move |i| at(i, j))).collect();
        let poles = [vertices.len() as u32, vertices.len() as u32 + 1];
        vertices.extend([Vec3::Z * radius, Vec3::NEG_Z * radius]);
        let number = |i: u32, j: u32| i % (2 * n) + 2 * n * (j - 1);
        let mut triangles = Vec::new();
        for i in 0..2 * n {
            triangles.push([poles[0], number(i, 1), number(i + 1, 1)]);
            triangles.push([poles[1], number(i + 1, n - 1), number(i, n - 1)]);
            for j in 1..n - 1 {
                triangles.push([number(i, j), number(i, j + 1), number(i + 1, j)]);
                triangles.push([number(i + 1, j), number(i, j + 1), number(i + 1, j + 1)]);
            }
        }
        TriMesh { vertices, triangles }
    }

    /// The circle of radius √(r² − h²) at height h; the facets lie at most r (1 − cos(π/n)) inside the sphere.
    #[test]
    fn a_plane_cuts_a_sphere_in_a_circle_that_is_closed() {
        const RADIUS: f32 = 0.05;
        let mesh = sphere(RADIUS, 60);
        let ball = 4.0 / 3.0 * std::f64::consts::PI * f64::from(RADIUS).powi(3);
        assert!((mesh.volume() / ball - 1.0).abs() < 3e-3);
        let sag = RADIUS * (1.0 - (PI / 60.0).cos());
        for normal in [Vec3::X, Vec3::Y, Vec3::Z, Vec3::new(0.48, -0.6, 0.64)] {
            // 0.0 and Z: the plane goes through vertices
            for height in [-0.04f32, -0.011, 0.0, 0.03] {
                let pieces = mesh.section(normal * height, normal);
                let radius = (RADIUS * RADIUS - height * height).sqrt();
                let low = ((RADIUS - sag).powi(2) - height * height).sqrt() - 1e-6;
                for end in pieces.iter().flatten() {
                    let found = (*end - normal * height).length();
                    assert!((end.dot(normal) - height).abs() < 1e-6, "{normal} {height}: in the plane");
                    assert!((low..radius + 1e-6).contains(&found), "{normal} {height}: {found} for {radius}");
                }
                let length: f32 = pieces.iter().map(|[a, b]| a.distance(*b)).sum();
                assert!((length / (2.0 * PI * radius) - 1.0).abs() < 5e-3, "{normal} {height}: {length}");
                let mut ends: BTreeMap<[u32; 3], usize> = BTreeMap::new();
                pieces.iter().flatten().for_each(|end| *ends.entry(end.to_array().map(f32::to_bits)).or_default() += 1);
                assert!(ends.values().all(|count| count % 2 == 0), "{normal} {height}: closed");
            }
        }
        assert!(mesh.section(Vec3::Z * 0.051, Vec3::Z).is_empty());
    }
}
