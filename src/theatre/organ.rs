//! The organ: its skin, drawn with a material that knows the lesion and the line to cut along.

use bevy::{
    asset::{RenderAssetUsages, load_internal_asset, uuid_handle},
    camera::visibility::NoFrustumCulling,
    mesh::{Indices, PrimitiveTopology},
    pbr::{ExtendedMaterial, MaterialExtension},
    prelude::*,
    render::render_resource::{AsBindGroup, ShaderType},
    shader::ShaderRef,
    time::Fixed,
};

use super::follow::DrawSystems;
use crate::{
    clock::plugin::Tick,
    session::plugin::CurrentTwin,
    tissue::{FaceKind, Skin, SoftBody, plugin::Tissue},
    tracking::{WedgeGeometry, plugin::Excision},
};

const SHADER: Handle<Shader> = uuid_handle!("6f0f3a52-1b0e-4c0d-9d4e-7a7b1f6f2a11");

/// Triangles along each side of a face of the elements.
const PARTS: usize = 3;

/// Places that the shader marks, in the organ's rest frame (m); see `organ.wgsl`.
#[derive(Debug, Clone, Copy, Default, ShaderType)]
struct Marks {
    lesion: Vec4,
    spine: Vec4,
    along: Vec4,
    left: Vec4,
    right: Vec4,
}

impl Marks {
    fn of(wedge: Option<&WedgeGeometry>) -> Self {
        wedge.map_or_else(Self::default, |wedge| Self {
            lesion: wedge.lesion.extend(wedge.lesion_radius_m),
            spine: wedge.spine.extend(0.0),
            along: wedge.along.extend(0.0),
            left: wedge.normals[0].extend(0.0),
            right: wedge.normals[1].extend(0.0),
        })
    }
}

/// What an organ adds to the standard material.
#[derive(Asset, TypePath, AsBindGroup, Debug, Clone, Default)]
struct OrganLook {
    #[uniform(100)]
    marks: Marks,
}

impl MaterialExtension for OrganLook {
    fn fragment_shader() -> ShaderRef {
        SHADER.into()
    }
}

type OrganMaterial = ExtendedMaterial<StandardMaterial, OrganLook>;

/// What is drawn of a body: the skin where it was a tick ago and where it is now.
#[derive(Component)]
pub(super) struct OrganView {
    of: Entity,
    skin: Skin,
    previous: Vec<Vec3>,
    now: Vec<Vec3>,
    normals: Vec<Vec3>,
    /// [`SoftBody::damage_revision`] of what is drawn.
    damage_revision: u64,
    /// Damage of each vertex; empty where there is none.
    damage: Vec<f32>,
    /// Whether the mesh's triangles are older than the skin's.
    outdated: bool,
    /// The tick of `now`.
    tick: u64,
}

pub(super) fn plugin(app: &mut App) {
    load_internal_asset!(app, SHADER, "organ.wgsl", Shader::from_wgsl);
    app.add_plugins(MaterialPlugin::<OrganMaterial>::default())
        .add_systems(Update, show_organs)
        .add_systems(FixedPostUpdate, follow_bodies.run_if(is_watched))
        .add_systems(PostUpdate, forget_organs.in_set(DrawSystems))
        .add_systems(PostUpdate, (catch_up, draw_organs).chain().after(forget_organs).run_if(is_watched).in_set(DrawSystems));
}

/// Whether any camera draws: between pictures none does, and nothing needs to follow.
fn is_watched(cameras: Query<&Camera>) -> bool {
    cameras.iter().any(|camera| camera.is_active)
}

fn show_organs(
    tissues: Query<(Entity, &Tissue), Added<Tissue>>,
    twin: Option<Res<CurrentTwin>>,
    excision: Option<Res<Excision>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<OrganMaterial>>,
    mut commands: Commands,
) {
    for (of, tissue) in &tissues {
        let skin = Skin::build(&tissue.body, twin.as_ref().map(|twin| &twin.0.distance), PARTS);
        let mut view = OrganView {
            of,
            skin,
            previous: Vec::new(),
            now: Vec::new(),
            normals: Vec::new(),
            damage_revision: 0,
            damage: Vec::new(),
            outdated: true,
            tick: u64::MAX,
        };
        view.follow(&tissue.body);
        let base = StandardMaterial { perceptual_roughness: 0.35, reflectance: 0.45, ..default() };
        let extension = OrganLook { marks: Marks::of(excision.as_ref().map(|excision| &excision.0)) };
        commands.spawn((
            view,
            Mesh3d(meshes.add(Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default()))),
            MeshMaterial3d(materials.add(OrganMaterial { base, extension })),
            // it moves without its bounds being told
            NoFrustumCulling,
            Transform::default(),
        ));
    }
}

impl OrganView {
    /// Takes over the body as it is at the end of a tick.
    fn follow(&mut self, body: &SoftBody) {
        std::mem::swap(&mut self.previous, &mut self.now);
        self.skin.update(body, &mut self.now, &mut self.normals);
        if self.previous.len() != self.now.len() || self.outdated {
            self.previous.clone_from(&self.now);
        }
    }

    /// Takes over the body at the end of tick `tick`, with a new skin where it was cut.
    fn renew(&mut self, tissue: &Tissue, twin: Option<&CurrentTwin>, tick: u64) {
        self.tick = tick;
        if self.skin.revision != tissue.body.surface().revision {
            self.skin.rebuild(&tissue.body, twin.map(|twin| &twin.0.distance));
            self.outdated = true;
        }
        if self.outdated || self.damage_revision != tissue.body.damage_revision() {
            self.damage_revision = tissue.body.damage_revision();
            self.damage = self.skin.damage(&tissue.body);
            self.outdated = true;
        }
        self.follow(&tissue.body);
    }

    fn positions(&self, share: f32) -> Vec<[f32; 3]> {
        self.previous.iter().zip(&self.now).map(|(from, to)| from.lerp(*to, share).to_array()).collect()
    }

    /// Attributes that only a cut or a bruise changes: places at rest, kinds and damage, for the shader.
    fn write_topology(&self, mesh: &mut Mesh) {
        let (skin, cut) = (&self.skin, |kind: FaceKind| f32::from(u8::from(kind == FaceKind::Cut)));
        let places: Vec<[f32; 2]> = skin.rest.iter().map(|rest| [rest.x, rest.y]).collect();
        // 0 to 1 a capsule, 2 to 3 a cut: the fraction is the damage
        let damage = |vertex: usize| self.damage.get(vertex).copied().unwrap_or(0.0);
        let kinds = skin.kinds.iter().enumerate().map(|(vertex, kind)| 2.0 * cut(*kind) + damage(vertex));
        let rest: Vec<[f32; 2]> = skin.rest.iter().zip(kinds).map(|(rest, kind)| [rest.z, kind]).collect();
        mesh.insert_attribute(Mesh::ATTRIBUTE_UV_0, places);
        mesh.insert_attribute(Mesh::ATTRIBUTE_UV_1, rest);
        mesh.insert_indices(Indices::U32(skin.triangles.iter().flatten().copied().collect()));
    }
}

/// Of many ticks in one frame only the last two are looked at.
fn follow_bodies(
    mut views: Query<&mut OrganView>,
    tissues: Query<&Tissue>,
    twin: Option<Res<CurrentTwin>>,
    clock: Res<Time<Fixed>>,
    tick: Res<Tick>,
) {
    if clock.overstep() >= 2 * clock.timestep() {
        return;
    }
    for mut view in &mut views {
        let Ok(tissue) = tissues.get(view.of) else { continue };
        if view.tick == tick.0 {
            // nothing ran: the last tick is also the one before it
            let view = view.as_mut();
            view.previous.clone_from(&view.now);
        } else {
            view.renew(tissue, twin.as_deref(), tick.0);
        }
    }
}

/// What nobody watched for a while is shown as it is now.
fn catch_up(mut views: Query<&mut OrganView>, tissues: Query<&Tissue>, twin: Option<Res<CurrentTwin>>, tick: Res<Tick>) {
    for mut view in &mut views {
        let Ok(tissue) = tissues.get(view.of) else { continue };
        if view.tick != tick.0 {
            view.renew(tissue, twin.as_deref(), tick.0);
            let view = view.as_mut();
            view.previous.clone_from(&view.now);
        }
    }
}

fn draw_organs(mut views: Query<(&mut OrganView, &Mesh3d)>, mut meshes: ResMut<Assets<Mesh>>, clock: Res<Time<Fixed>>) {
    for (mut view, handle) in &mut views {
        let Some(mut mesh) = meshes.get_mut(&handle.0) else { continue };
        if view.outdated {
            view.write_topology(&mut mesh);
            view.outdated = false;
        }
        mesh.insert_attribute(Mesh::ATTRIBUTE_POSITION, view.positions(clock.overstep_fraction()));
        mesh.insert_attribute(Mesh::ATTRIBUTE_NORMAL, view.normals.iter().map(Vec3::to_array).collect::<Vec<_>>());
    }
}

fn forget_organs(views: Query<(Entity, &OrganView)>, tissues: Query<(), With<Tissue>>, mut commands: Commands) {
    for (entity, view) in &views {
        if !tissues.contains(view.of) {
            commands.entity(entity).despawn();
        }
    }
}
