//! The scan as a volume where the patient lies, marched through by rays.

use bevy::{
    asset::{load_internal_asset, uuid_handle},
    camera::visibility::NoFrustumCulling,
    core_pipeline::prepass::DepthPrepass,
    light::NotShadowCaster,
    math::{Affine3A, DVec3},
    mesh::{Indices, MeshVertexBufferLayoutRef, PrimitiveTopology},
    pbr::{MaterialPipeline, MaterialPipelineKey},
    prelude::*,
    render::{
        render_resource::{
            AsBindGroup, CompareFunction, Face, RenderPipelineDescriptor, ShaderType, SpecializedMeshPipelineError,
        },
        renderer::RenderAdapterInfo,
    },
    shader::ShaderRef,
};

use super::{ScanView, Shown, texture::ScanImage};
use crate::theatre::scene::Scenery;

const SHADER: Handle<Shader> = uuid_handle!("b0a3d1f4-6f0c-4a6e-9b67-3f1f0a5b9c10");

/// Points of a transfer function.
const POINTS: usize = 6;

/// What the volume shows: which HU are seen through and which are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Skin and what lies on it.
    Surface,
    /// Organs, through fat.
    Organs,
    /// Blood vessels with contrast, and bone behind them.
    Vessels,
    Bone,
}

impl Preset {
    pub const ALL: [Preset; 4] = [Preset::Surface, Preset::Organs, Preset::Vessels, Preset::Bone];

    pub fn name(self) -> &'static str {
        match self {
            Preset::Surface => "surface",
            Preset::Organs => "organs",
            Preset::Vessels => "vessels",
            Preset::Bone => "bone",
        }
    }

    /// HU, colour (linear), and how much of the light a millimetre takes (1/mm); linear between. The HU are where tissues commonly lie
    /// in CT: air below −300, fat −120 to −60, organs 20 to 110 with contrast, vessels with contrast above 120, bone above 250.
    fn points(self) -> [(f32, [f32; 3], f32); POINTS] {
        let (skin, fat, organ) = ([0.80, 0.52, 0.38], [0.85, 0.68, 0.36], [0.55, 0.12, 0.09]);
        let (vessel, bone) = ([0.75, 0.05, 0.05], [0.88, 0.83, 0.70]);
        match self {
            Preset::Surface => [
                (-500.0, skin, 0.0),
                (-300.0, skin, 0.25),
                (-150.0, skin, 0.6),
                (0.0, skin, 0.9),
                (250.0, bone, 1.5),
                (3000.0, bone, 1.5),
            ],
            Preset::Organs => [
                (-140.0, fat, 0.0),
                (-80.0, fat, 0.002),
                (0.0, organ, 0.006),
                (60.0, organ, 0.08),
                (130.0, vessel, 0.15),
                (300.0, bone, 0.5),
            ],
            Preset::Vessels => [
                (100.0, organ, 0.0),
                (125.0, vessel, 0.03),
                (150.0, vessel, 0.35),
                (220.0, vessel, 0.5),
                (300.0, bone, 0.12),
                (1000.0, bone, 0.3),
            ],
            Preset::Bone => [
                (150.0, bone, 0.0),
                (220.0, bone, 0.05),
                (350.0, bone, 0.5),
                (700.0, bone, 1.2),
                (1500.0, [1.0, 1.0, 0.98], 2.0),
                (3000.0, [1.0, 1.0, 1.0], 2.0),
            ],
        }
    }
}

#[derive(Debug, Clone, Copy, ShaderType)]
struct VolumeLook {
    /// 0 to 1 along the voxels' axes, from world metres.
    texture_from_world: Mat4,
    /// Length of a step (m), and half a voxel in the box's coordinates.
    step_m: Vec4,
    /// HU of the points.
    hu: [Vec4; 2],
    /// Colour and share of the light that a millimetre takes.
    points: [Vec4; POINTS],
}

#[derive(Asset, TypePath, AsBindGroup, Debug, Clone)]
struct VolumeMaterial {
    #[uniform(0)]
    look: VolumeLook,
    #[texture(1, dimension = "3d")]
    #[sampler(2)]
    values: Handle<Image>,
}

impl Material for VolumeMaterial {
    fn fragment_shader() -> ShaderRef {
        SHADER.into()
    }

    fn alpha_mode(&self) -> AlphaMode {
        AlphaMode::Premultiplied
    }

    fn enable_prepass() -> bool {
        false
    }

    fn specialize(
        _: &MaterialPipeline,
        descriptor: &mut RenderPipelineDescriptor,
        _: &MeshVertexBufferLayoutRef,
        _: MaterialPipelineKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        // the far side of the box, also for an eye inside it; what stands in front is found in the depth that was drawn before
        descriptor.primitive.cull_mode = Some(Face::Front);
        if let Some(depth) = &mut descriptor.depth_stencil {
            depth.depth_compare = Some(CompareFunction::Always);
            depth.depth_write_enabled = Some(false);
        }
        Ok(())
    }
}

/// The box of the volume.
#[derive(Component)]
struct VolumeBox;

pub(super) fn plugin(app: &mut App) {
    load_internal_asset!(app, SHADER, "volume.wgsl", Shader::from_wgsl);
    app.add_plugins(MaterialPlugin::<VolumeMaterial>::default())
        .add_systems(Update, ((place_volume, draw_depth_first).run_if(view_changed), part_the_drapes));
}

/// Whether there is something else to show.
fn view_changed(view: Res<ScanView>, scan: Option<Res<ScanImage>>, mut shown: Local<Option<Preset>>) -> bool {
    let changed = *shown != view.volume || scan.is_some_and(|scan| scan.is_changed());
    *shown = view.volume;
    changed
}

fn place_volume(
    view: Res<ScanView>,
    scan: Option<Res<ScanImage>>,
    shown: Option<Res<Shown>>,
    adapter: Option<Res<RenderAdapterInfo>>,
    boxes: Query<Entity, With<VolumeBox>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<VolumeMaterial>>,
    mut commands: Commands,
) {
    boxes.iter().for_each(|entity| commands.entity(entity).despawn());
    let (Some(preset), Some(scan), Some(shown)) = (view.volume, scan, shown) else { return };
    let texture_from_world = scan.geometry.texture_from_lps * shown.world_from_lps().inverse();
    let world_from_texture = texture_from_world.inverse();
    let corner = |b: usize| DVec3::new((b & 1) as f64, (b >> 1 & 1) as f64, (b >> 2 & 1) as f64);
    let corners: Vec<[f32; 3]> = (0..8).map(|b| world_from_texture.transform_point3(corner(b)).as_vec3().to_array()).collect();
    let mut indices: Vec<u32> =
        [0, 2, 1, 1, 2, 3, 4, 5, 6, 5, 7, 6, 0, 1, 4, 1, 5, 4, 2, 6, 3, 3, 6, 7, 0, 4, 2, 2, 4, 6, 1, 3, 5, 3, 7, 5].to_vec();
    if world_from_texture.matrix3.determinant() < 0.0 {
        indices.chunks_mut(3).for_each(|triangle| triangle.swap(1, 2));
    }
    let mut mesh = Mesh::new(PrimitiveTopology::TriangleList, default());
    mesh.insert_attribute(Mesh::ATTRIBUTE_POSITION, corners);
    mesh.insert_indices(Indices::U32(indices));

    // a processor that draws by itself takes longer steps
    let is_slow = adapter.is_some_and(|adapter| format!("{:?}", adapter.device_type) == "Cpu");
    let finest_mm = shown.labels().spacing_mm().into_iter().fold(f64::INFINITY, f64::min) as f32;
    let step_m = 1e-3 * if is_slow { finest_mm.max(1.5) } else { 0.5 * finest_mm };
    let half = Vec3::from_array(shown.dims().map(|n| 0.5 / n as f32));
    let points = preset.points();
    let hu = |from: usize| Vec4::from_array(std::array::from_fn(|k| points.get(from + k).map_or(0.0, |point| point.0)));
    let look = VolumeLook {
        texture_from_world: Mat4::from(Affine3A::from_mat3_translation(
            texture_from_world.matrix3.as_mat3(),
            texture_from_world.translation.as_vec3(),
        )),
        step_m: half.extend(step_m).wxyz(),
        hu: [hu(0), hu(4)],
        points: points.map(|(_, [r, g, b], density)| Vec4::new(r, g, b, density)),
    };
    commands.spawn((
        VolumeBox,
        NoFrustumCulling,
        NotShadowCaster,
        Mesh3d(meshes.add(mesh)),
        MeshMaterial3d(materials.add(VolumeMaterial { look, values: scan.values.clone() })),
        Transform::default(),
    ));
}

/// The wound and the drapes lie where the volume is: they make way.
fn part_the_drapes(view: Res<ScanView>, mut scenery: Query<&mut Visibility, (With<Scenery>, With<Mesh3d>)>) {
    let wanted = if view.volume.is_some() { Visibility::Hidden } else { Visibility::Inherited };
    for mut visibility in &mut scenery {
        visibility.set_if_neq(wanted);
    }
}

/// Rays end where something solid stands, which must have been drawn before.
fn draw_depth_first(view: Res<ScanView>, cameras: Query<Entity, With<Camera3d>>, mut commands: Commands) {
    for camera in &cameras {
        if view.volume.is_some() {
            commands.entity(camera).insert(DepthPrepass);
        } else {
            commands.entity(camera).remove::<DepthPrepass>();
        }
    }
}
