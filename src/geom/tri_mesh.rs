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
