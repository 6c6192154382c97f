// The look of an organ: a smooth glossy capsule, a moist granular cut, the lesion, and the line to cut along.
// uv and uv_b carry the place at rest (x, y; z) and whether the face was opened by a cut (2) plus its damage (0 to 1).

#import bevy_pbr::{
    forward_io::{VertexOutput, FragmentOutput},
    pbr_fragment::pbr_input_from_standard_material,
    pbr_functions::{apply_pbr_lighting, main_pass_post_lighting_processing},
}

struct Organ {
    // centre (m) and radius (m) of the lesion; radius 0 without one
    lesion: vec4<f32>,
    // a point of the wedge's spine
    spine: vec4<f32>,
    // unit vector along the spine
    along: vec4<f32>,
    // normals of the wedge's planes, out of the wedge
    left: vec4<f32>,
    right: vec4<f32>,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(100) var<uniform> organ: Organ;

fn lattice(p: vec3<f32>) -> f32 {
    let q = bitcast<vec3<u32>>(vec3<i32>(p));
    var h = (q.x * 0x9e3779b1u) ^ (q.y * 0x85ebca77u) ^ (q.z * 0xc2b2ae3du);
    h = (h ^ (h >> 15u)) * 0x85ebca6bu;
    h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
    return f32((h ^ (h >> 16u)) >> 8u) / 16777216.0;
}

// Value noise, features of unit size; xyz its gradient, w its value.
fn noise(at: vec3<f32>) -> vec4<f32> {
    let cell = floor(at);
    let f = at - cell;
    let s = f * f * (3.0 - 2.0 * f);
    let d = 6.0 * f * (1.0 - f);
    let a = lattice(cell);
    let b = lattice(cell + vec3(1.0, 0.0, 0.0));
    let c = lattice(cell + vec3(0.0, 1.0, 0.0));
    let e = lattice(cell + vec3(1.0, 1.0, 0.0));
    let g = lattice(cell + vec3(0.0, 0.0, 1.0));
    let h = lattice(cell + vec3(1.0, 0.0, 1.0));
    let k = lattice(cell + vec3(0.0, 1.0, 1.0));
    let l = lattice(cell + vec3(1.0, 1.0, 1.0));
    let k1 = b - a;
    let k2 = c - a;
    let k3 = g - a;
    let k4 = a - b - c + e;
    let k5 = a - c - g + k;
    let k6 = a - b - g + h;
    let k7 = b + c + g - a - e - h - k + l;
    let value = a + k1 * s.x + k2 * s.y + k3 * s.z + k4 * s.x * s.y + k5 * s.y * s.z + k6 * s.z * s.x + k7 * s.x * s.y * s.z;
    let slope = d * vec3(
        k1 + k4 * s.y + k6 * s.z + k7 * s.y * s.z,
        k2 + k5 * s.z + k4 * s.x + k7 * s.z * s.x,
        k3 + k6 * s.x + k5 * s.y + k7 * s.x * s.y,
    );
    return vec4(slope, value);
}

@fragment
fn fragment(in: VertexOutput, @builtin(front_facing) is_front: bool) -> FragmentOutput {
    var pbr = pbr_input_from_standard_material(in, is_front);
    let rest = vec3(in.uv, in.uv_b.x);
    let cut = step(1.5, in.uv_b.y);
    let bruise = smoothstep(0.35, 1.0, in.uv_b.y - 2.0 * cut);

    let coarse = noise(rest * 55.0);
    let middle = noise(rest * 210.0);
    let fine = noise(rest * 720.0);

    // capsule: brown-red, with broad blotches and a fine lobular grain
    var capsule = mix(vec3(0.135, 0.026, 0.017), vec3(0.215, 0.046, 0.029), 0.6 * coarse.w + 0.4 * middle.w);
    capsule *= 0.90 + 0.20 * fine.w;
    // parenchyma: lighter and redder, lobules of a millimetre or two, and small vessels
    var inside = mix(vec3(0.250, 0.026, 0.019), vec3(0.400, 0.085, 0.057), middle.w);
    inside *= 0.78 + 0.44 * fine.w;
    let vessel = smoothstep(0.80, 0.86, noise(rest * 150.0 + 31.0).w);
    inside = mix(inside, vec3(0.110, 0.006, 0.010), vessel);
    var colour = mix(capsule, inside, cut);
    // blood under the surface: dark and blue-red, blotched, fading outwards
    let blood = mix(vec3(0.050, 0.006, 0.022), vec3(0.105, 0.010, 0.030), 0.5 * middle.w + 0.5 * fine.w);
    colour = mix(colour, blood, 0.85 * bruise * (0.75 + 0.25 * coarse.w));

    let arm = rest - organ.lesion.xyz;
    if organ.lesion.w > 0.0 {
        // the nodule itself where a face goes through it, and a pale patch on the capsule over it
        let depth = length(arm) - organ.lesion.w + 0.0006 * (middle.w - 0.5);
        let nodule = mix(vec3(0.62, 0.47, 0.27), vec3(0.72, 0.62, 0.42), fine.w);
        colour = mix(colour, nodule, 1.0 - smoothstep(-0.0003, 0.0003, depth));
        let over = length(arm.xz) / (1.3 * organ.lesion.w);
        let above = (1.0 - cut) * step(0.0, arm.y) * (1.0 - smoothstep(0.45, 1.0, over + 0.25 * (middle.w - 0.5)));
        colour = mix(colour, vec3(0.46, 0.28, 0.17), 0.55 * above);

        // the dotted line: where the capsule meets the planes of the wedge
        let from_spine = rest - organ.spine.xyz;
        let wedge = max(dot(from_spine, organ.left.xyz), dot(from_spine, organ.right.xyz));
        let run = fract(dot(from_spine, organ.along.xyz) / 0.0045);
        let dot_ink = (1.0 - cut) * (1.0 - smoothstep(0.0005, 0.0008, abs(wedge))) * smoothstep(0.0, 0.06, run) * (1.0 - smoothstep(0.56, 0.62, run));
        colour = mix(colour, vec3(0.012, 0.020, 0.11), 0.92 * dot_ink);
    }
    pbr.material.base_color = vec4(colour, 1.0);
    pbr.material.perceptual_roughness = mix(0.34 + 0.10 * middle.w, 0.24 + 0.16 * fine.w, cut);

    // grain: the slope of the noise, taken as a height, tilts the normal
    let capsule_slope = 0.05 * coarse.xyz + 0.035 * middle.xyz + 0.02 * fine.xyz;
    let cut_slope = 0.22 * middle.xyz + 0.26 * fine.xyz;
    let slope = mix(capsule_slope, cut_slope, cut);
    let n = pbr.N;
    pbr.N = normalize(n - (slope - n * dot(slope, n)));

    var out: FragmentOutput;
    out.color = apply_pbr_lighting(pbr);
    out.color = main_pass_post_lighting_processing(pbr, out.color);
    return out;
}
