// The scan as a cloud: a ray gathers what it meets between the near side of the box and the first solid thing, or the far side.

#import bevy_pbr::{
    forward_io::VertexOutput,
    mesh_view_bindings::view,
    view_transformations::{frag_coord_to_ndc, position_ndc_to_world},
}
#ifdef DEPTH_PREPASS
#import bevy_pbr::prepass_utils::prepass_depth
#endif

struct Volume {
    texture_from_world: mat4x4<f32>,
    // length of a step (m), then half a voxel along each axis of the box
    step_m: vec4<f32>,
    hu: array<vec4<f32>, 2>,
    // colour, and the share of the light that a millimetre takes
    points: array<vec4<f32>, 6>,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var<uniform> volume: Volume;
@group(#{MATERIAL_BIND_GROUP}) @binding(1) var values: texture_3d<f32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(2) var values_sampler: sampler;

fn value_at(at: vec3<f32>) -> f32 {
    return textureSampleLevel(values, values_sampler, at, 0.0).r;
}

fn hu_of(point: i32) -> f32 {
    return volume.hu[point / 4][point % 4];
}

// Colour and density at a value; nothing below the first point.
fn looks(value: f32) -> vec4<f32> {
    if value <= hu_of(0) {
        return vec4(0.0);
    }
    for (var k = 1; k < 6; k++) {
        if value < hu_of(k) {
            let share = (value - hu_of(k - 1)) / (hu_of(k) - hu_of(k - 1));
            return mix(volume.points[k - 1], volume.points[k], share);
        }
    }
    return volume.points[5];
}

@fragment
fn fragment(in: VertexOutput) -> @location(0) vec4<f32> {
    let eye = view.world_position;
    let ray = normalize(in.world_position.xyz - eye);
    let start = (volume.texture_from_world * vec4(eye, 1.0)).xyz;
    let along = (volume.texture_from_world * vec4(ray, 0.0)).xyz;
    let low = (vec3(0.0) - start) / along;
    let high = (vec3(1.0) - start) / along;
    let enter = max(max(min(low.x, high.x), min(low.y, high.y)), max(min(low.z, high.z), 0.0));
    var leave = min(min(max(low.x, high.x), max(low.y, high.y)), max(low.z, high.z));
#ifdef DEPTH_PREPASS
    let depth = prepass_depth(in.position, 0u);
    if depth > 0.0 {
        let solid = position_ndc_to_world(vec3(frag_coord_to_ndc(in.position).xy, depth));
        leave = min(leave, dot(solid - eye, ray));
    }
#endif
    let step = volume.step_m.x;
    let half_voxel = volume.step_m.yzw;
    let to_world = transpose(mat3x3(volume.texture_from_world[0].xyz, volume.texture_from_world[1].xyz, volume.texture_from_world[2].xyz));
    // rays that start at unlike depths show noise where like ones would show rings
    let jitter = fract(52.9829189 * fract(dot(in.position.xy, vec2(0.06711056, 0.00583715))));
    var t = enter + step * jitter;
    var colour = vec3(0.0);
    var through = 1.0;
    for (var n = 0; n < 2048; n++) {
        if t >= leave || through < 0.01 {
            break;
        }
        let at = start + t * along;
        let look = looks(value_at(at));
        if look.a > 0.0 {
            let taken = 1.0 - exp(-look.a * step * 1000.0);
            let slope = vec3(
                value_at(at + vec3(2.0 * half_voxel.x, 0.0, 0.0)) - value_at(at - vec3(2.0 * half_voxel.x, 0.0, 0.0)),
                value_at(at + vec3(0.0, 2.0 * half_voxel.y, 0.0)) - value_at(at - vec3(0.0, 2.0 * half_voxel.y, 0.0)),
                value_at(at + vec3(0.0, 0.0, 2.0 * half_voxel.z)) - value_at(at - vec3(0.0, 0.0, 2.0 * half_voxel.z)),
            ) / (4.0 * half_voxel);
            let steep = to_world * slope;
            // a lamp at the eye; where the scan is even there is no surface to be lit
            let facing = abs(dot(steep, ray)) / max(length(steep), 1e-3);
            colour += through * taken * look.rgb * (0.25 + 0.75 * facing);
            through *= 1.0 - taken;
        }
        t += step;
    }
    return vec4(colour, 1.0 - through);
}
