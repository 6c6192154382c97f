//! The lines in which the slices cut the meshed organs, each organ's in its colour.
//!
//! A panel's lines are cut anew when its plane moves, and drawn into a picture of the panel's own pixels, so that they are equally wide
//! however far the patient is away. The mesh is that of the twin, as it was imported.

use bevy::{
    asset::RenderAssetUsages,
    math::{DVec2, DVec3},
    prelude::*,
    render::render_resource::{Extent3d, TextureDimension, TextureFormat},
};

use super::{ScanGeometry, ScanView, Shown, slices::Panel, texture::ScanImage};
use crate::{
    geom::TriMesh,
    patient::{Plane, colour},
};

/// Half the width of a line, logical pixels.
const HALF_WIDTH_PX: f64 = 0.9;

/// The surfaces of the meshed organs, LPS, mm, with the colours of their lines.
#[derive(Resource, Debug, Default)]
struct Surfaces(Vec<([u8; 3], TriMesh)>);

/// The pieces of line of one organ, in the panel's coordinates.
type Lines = ([u8; 3], Vec<[DVec2; 2]>);

/// The lines of a panel.
#[derive(Component, Debug, Default)]
pub(super) struct Outlines {
    /// Of the plane that was cut, along its normal; nothing before the first cut.
    depth_mm: Option<f64>,
    lines: Vec<Lines>,
    /// The size of the picture and how many of its pixels are a logical one.
    drawn: Option<(UVec2, f32)>,
    pub picture: Option<Handle<Image>>,
}

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<Surfaces>()
        .add_systems(PreUpdate, take_surfaces.after(super::texture::upload).run_if(resource_exists_and_changed::<Shown>))
        .add_systems(PostUpdate, (cut, draw).chain().before(super::slices::fill_panels));
}

fn take_surfaces(shown: Res<Shown>, mut surfaces: ResMut<Surfaces>) {
    surfaces.0 = match &*shown {
        Shown::Twin(twin) => twin.surfaces_in_lps().into_iter().map(|(label, surface)| (colour(label), surface)).collect(),
        Shown::Images(_) => Vec::new(),
    };
}

/// Cuts where a plane has moved, or the patient is another.
fn cut(view: Res<ScanView>, scan: Option<Res<ScanImage>>, surfaces: Res<Surfaces>, mut panels: Query<(&Panel, &mut Outlines)>) {
    let (Some(scan), true) = (scan, view.slices && view.sections) else { return };
    let cursor_mm = scan.cursor_mm(&view);
    for (&Panel(plane), mut outlines) in &mut panels {
        let depth_mm = Some(cursor_mm.dot(plane.normal()));
        if outlines.depth_mm != depth_mm || surfaces.is_changed() {
            let lines = surfaces.0.iter().map(|(ink, surface)| (*ink, lines_of(surface, &scan.geometry, plane, cursor_mm)));
            *outlines = Outlines { depth_mm, lines: lines.collect(), drawn: None, picture: outlines.picture.take() };
        }
    }
}

/// Where the slice through `cursor_mm` cuts a surface, on its panel.
fn lines_of(surface: &TriMesh, geometry: &ScanGeometry, plane: Plane, cursor_mm: DVec3) -> Vec<[DVec2; 2]> {
    let pieces = surface.section(cursor_mm.as_vec3(), plane.normal().as_vec3());
    pieces.into_iter().map(|ends| ends.map(|end| geometry.uv_of(plane, end.as_dvec3()))).collect()
}

/// Draws what was cut, and again where a panel has another size.
fn draw(view: Res<ScanView>, mut panels: Query<(&ComputedNode, &mut Outlines)>, mut images: ResMut<Assets<Image>>) {
    if !(view.slices && view.sections) {
        return;
    }
    for (node, mut outlines) in &mut panels {
        let (size, scale) = (node.size().as_uvec2(), node.inverse_scale_factor().recip());
        if outlines.depth_mm.is_none() || size.min_element() == 0 || outlines.drawn == Some((size, scale)) {
            continue;
        }
        let pixels = ink(&outlines.lines, size, HALF_WIDTH_PX * f64::from(scale));
        let extent = Extent3d { width: size.x, height: size.y, depth_or_array_layers: 1 };
        let format = TextureFormat::Rgba8UnormSrgb;
        let image = Image::new(extent, TextureDimension::D2, pixels, format, RenderAssetUsages::RENDER_WORLD);
        // the same picture with other pixels, so that what shows it need not wait for a new one
        match outlines.picture.as_ref().map(|picture| images.insert(picture.id(), image.clone())) {
            Some(Ok(())) => {}
            _ => outlines.picture = Some(images.add(image)),
        }
        outlines.drawn = Some((size, scale));
    }
}

/// Lines on clear ground, four bytes a pixel; at their edges as clear as the pixel is uncovered.
fn ink(lines: &[Lines], size: UVec2, half_width_px: f64) -> Vec<u8> {
    let (width, height) = (i64::from(size.x), i64::from(size.y));
    let mut pixels = vec![0; 4 * (width * height) as usize];
    let reach = half_width_px + 0.5;
    for (ink, pieces) in lines {
        for ends in pieces {
            let [from, to] = ends.map(|end| end * size.as_dvec2());
            let (low, high) = ((from.min(to) - reach).floor(), (from.max(to) + reach).ceil());
            let along = to - from;
            for row in (low.y as i64).max(0)..(high.y as i64).min(height) {
                for column in (low.x as i64).max(0)..(high.x as i64).min(width) {
                    let at = DVec2::new(column as f64, row as f64) + 0.5 - from;
                    let share = (at.dot(along) / along.length_squared().max(1e-12)).clamp(0.0, 1.0);
                    let covered = (reach - at.distance(share * along)).clamp(0.0, 1.0);
                    let strength = (255.0 * covered).round() as u8;
                    let pixel = 4 * (column + width * row) as usize;
                    if strength > pixels[pixel + 3] {
                        pixels[pixel..pixel + 3].copy_from_slice(ink);
                        pixels[pixel + 3] = strength;
                    }
                }
            }
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::patient::Twin;

    fn twin() -> Arc<Twin> {
        Arc::new(
            Twin::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patients/liver-contrast")).expect("the bundled twin"),
        )
    }

    /// The three panels on a screen of 300 pixels each, without a renderer.
    fn app(shown: Shown) -> App {
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, AssetPlugin::default()))
            .init_asset::<Image>()
            .insert_resource(ScanView { slices: true, ..default() })
            .insert_resource(shown)
            .add_plugins(super::super::texture::plugin)
            .init_resource::<Surfaces>()
            .add_systems(
                PreUpdate,
                take_surfaces.after(super::super::texture::upload).run_if(resource_exists_and_changed::<Shown>),
            )
            .add_systems(PostUpdate, (cut, draw).chain());
        for plane in Plane::ALL {
            let node = ComputedNode { size: Vec2::splat(300.0), inverse_scale_factor: 1.0, ..default() };
            app.world_mut().spawn((Panel(plane), Outlines::default(), node));
        }
        app.update();
        app
    }

    /// When the lines of each panel, in the order of the planes, were last touched.
    fn touched(app: &mut App) -> Vec<u32> {
        let mut panels = app.world_mut().query::<(&Panel, Ref<Outlines>)>();
        let mut found: Vec<_> = panels.iter(app.world()).map(|(panel, lines)| (panel.0, lines.last_changed().get())).collect();
        found.sort_by_key(|(plane, _)| Plane::ALL.iter().position(|known| known == plane));
        found.into_iter().map(|(_, tick)| tick).collect()
    }

    #[test]
    fn lines_are_cut_anew_only_where_the_plane_moves() {
        let mut app = app(Shown::Twin(twin()));
        let first = touched(&mut app);
        for (moved, expected) in
            [(DVec3::ZERO, [false; 3]), (DVec3::Z, [true, false, false]), (DVec3::new(1.0, 1.0, 0.0), [false, true, true])]
        {
            let before = touched(&mut app);
            let cursor_mm = app.world().resource::<ScanImage>().cursor_mm(app.world().resource::<ScanView>());
            app.world_mut().resource_mut::<ScanView>().cursor_mm = Some(cursor_mm + moved);
            app.update();
            let changed: Vec<bool> = touched(&mut app).iter().zip(before).map(|(now, before)| *now != before).collect();
            assert_eq!(changed, expected, "moved by {moved}");
        }
        assert!(touched(&mut app).iter().zip(first).all(|(now, first)| *now != first));
    }

    /// What the lines enclose is what the slice cuts out of the tetrahedra, each cut by itself. Tolerance: the lines of sight
    /// are 0.02 mm apart, and an end of the organ of 130 mm that lies along them is met or missed by half of that.
    #[test]
    fn lines_enclose_what_the_slice_cuts_out_of_the_tetrahedra() {
        let twin = twin();
        let mut app = app(Shown::Twin(twin.clone()));
        let scan = app.world().resource::<ScanImage>().clone();
        let cursor_mm = scan.middle_mm;
        let lps_from_world = twin.world_from_lps.inverse();
        let mut panels = app.world_mut().query::<(&Panel, &Outlines)>();
        for (&Panel(plane), outlines) in panels.iter(app.world()) {
            let [(ink, lines)] = &outlines.lines[..] else { panic!("one organ") };
            assert_eq!(*ink, colour(twin.organ.label));
            let [across, down] = plane.axes();
            let height = |v: &Vec3| (lps_from_world.transform_point3(v.as_dvec3()) - cursor_mm).dot(plane.normal());
            let mut area_mm2 = 0.0;
            for tet in &twin.tets.tets {
                let corners = tet.map(|v| twin.tets.vertices[v as usize]);
                let (above, below): (Vec<Vec3>, Vec<Vec3>) = corners.iter().partition(|v| height(v) >= 0.0);
                let mut cuts: Vec<DVec2> = above
                    .iter()
                    .flat_map(|a| below.iter().map(move |b| (a, b)))
                    .map(|(a, b)| {
                        let share = height(a) / (height(a) - height(b));
                        let at = lps_from_world.transform_point3(a.as_dvec3().lerp(b.as_dvec3(), share));
                        DVec2::new(at.dot(across), at.dot(down))
                    })
                    .collect();
                let middle = cuts.iter().copied().sum::<DVec2>() / cuts.len().max(1) as f64;
                cuts.sort_by(|a, b| (*a - middle).to_angle().total_cmp(&(*b - middle).to_angle()));
                let turns = (0..cuts.len()).map(|k| (cuts[k] - middle).perp_dot(cuts[(k + 1) % cuts.len()] - middle));
                area_mm2 += 0.5 * turns.sum::<f64>();
            }
            let inside = enclosed(lines) * scan.geometry.side_mm.powi(2);
            assert!(area_mm2 > 100.0 && (inside / area_mm2 - 1.0).abs() < 5e-4, "{plane:?}: {inside} instead of {area_mm2} mm²");
        }
    }

    /// The area within closed lines, whose pieces come in any order and direction: along each line of sight the crossings alternate.
    fn enclosed(lines: &[[DVec2; 2]]) -> f64 {
        const ROWS: usize = 20_000;
        let mut area = 0.0;
        let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); ROWS];
        for [from, to] in lines {
            let (low, high) = if from.y < to.y { (from, to) } else { (to, from) };
            let row = |y: f64| ((y * ROWS as f64 - 0.5).ceil().max(0.0) as usize).min(ROWS);
            for (n, row) in crossings.iter_mut().enumerate().take(row(high.y)).skip(row(low.y)) {
                let share = ((n as f64 + 0.5) / ROWS as f64 - low.y) / (high.y - low.y);
                row.push(low.x + share * (high.x - low.x));
            }
        }
        for row in &mut crossings {
            row.sort_by(f64::total_cmp);
            assert_eq!(row.len() % 2, 0, "the lines are closed");
            area += row.chunks(2).map(|pair| pair[1] - pair[0]).sum::<f64>() / ROWS as f64;
        }
        area
    }

    #[test]
    fn a_line_is_as_wide_as_it_is_said_to_be() {
        let lines = vec![([10, 20, 30], vec![[DVec2::new(0.5, -0.2), DVec2::new(0.5, 1.2)]])];
        for half_width_px in [0.9, 1.8] {
            let pixels = ink(&lines, UVec2::new(40, 30), half_width_px);
            for row in pixels.chunks(4 * 40) {
                let covered: f64 = row.chunks(4).map(|pixel| f64::from(pixel[3]) / 255.0).sum();
                assert!((covered - 2.0 * half_width_px).abs() < 0.02, "{covered}");
                assert!(row.chunks(4).filter(|pixel| pixel[3] > 0).all(|pixel| pixel[..3] == [10, 20, 30]));
            }
        }
    }

    #[test]
    fn images_without_a_mesh_have_no_lines() {
        let volume = crate::geom::Volume { dims: [8; 3], lps_from_voxel: bevy::math::DAffine3::IDENTITY, voxels: vec![0.0; 512] };
        let mut app = app(Shown::Images(super::super::Images::new("CT".to_owned(), volume)));
        let mut panels = app.world_mut().query::<&Outlines>();
        assert!(panels.iter(app.world()).all(|outlines| outlines.lines.is_empty()));
    }
}
