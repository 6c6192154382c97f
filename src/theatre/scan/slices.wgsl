// A slice of the scan through the window, labels and meshed organs as outlines, the cross of the three planes, and a ruler.

#import bevy_ui::ui_vertex_output::UiVertexOutput

struct Slice {
    // the panel in the box of the voxels (0 to 1): its upper left corner, its upper edge, its left edge
    corner: vec4<f32>,
    across: vec4<f32>,
    down: vec4<f32>,
    // centre and width of the window (HU), strength of the overlay, the organ's label
    window: vec4<f32>,
    // the cross and the size of a pixel, in panel coordinates; strength of the mesh's outlines
    cross: vec4<f32>,
    ruler: vec4<f32>,
}

@group(1) @binding(0) var<uniform> slice: Slice;
@group(1) @binding(1) var values: texture_3d<f32>;
@group(1) @binding(2) var values_sampler: sampler;
@group(1) @binding(3) var labels: texture_3d<u32>;
@group(1) @binding(4) var outlines: texture_2d<f32>;

fn place(uv: vec2<f32>) -> vec3<f32> {
    return slice.corner.xyz + uv.x * slice.across.xyz + uv.y * slice.down.xyz;
}

fn is_inside(at: vec3<f32>) -> bool {
    return all(at >= vec3(0.0)) && all(at < vec3(1.0));
}

fn label(uv: vec2<f32>) -> u32 {
    let at = place(uv);
    if !is_inside(at) {
        return 0u;
    }
    return textureLoad(labels, vec3<i32>(at * vec3<f32>(textureDimensions(labels))), 0).r;
}

// Hues a golden angle apart.
fn colour_of(label: u32) -> vec3<f32> {
    let hue = fract(f32(label) * 0.618034);
    return clamp(abs(fract(hue + vec3(1.0, 2.0 / 3.0, 1.0 / 3.0)) * 6.0 - 3.0) - 1.0, vec3(0.0), vec3(1.0));
}

fn to_linear(grey: f32) -> f32 {
    return select(pow((grey + 0.055) / 1.055, 2.4), grey / 12.92, grey <= 0.04045);
}

fn distance_to_line(p: vec2<f32>, a: vec2<f32>, b: vec2<f32>) -> f32 {
    let t = clamp(dot(p - a, b - a) / max(dot(b - a, b - a), 1e-12), 0.0, 1.0);
    return length(p - a - t * (b - a));
}

@fragment
fn fragment(in: UiVertexOutput) -> @location(0) vec4<f32> {
    let px = slice.cross.z;
    let at = place(in.uv);
    var colour = vec3(0.0);
    if is_inside(at) {
        let value = textureSampleLevel(values, values_sampler, at, 0.0).r;
        let grey = clamp((value - slice.window.x) / max(slice.window.y, 1.0) + 0.5, 0.0, 1.0);
        colour = vec3(to_linear(grey));
    }
    if slice.window.z > 0.0 {
        let own = label(in.uv);
        let differs = own != label(in.uv + vec2(px, 0.0)) || own != label(in.uv + vec2(0.0, px));
        let shown = max(own, max(label(in.uv + vec2(px, 0.0)), label(in.uv + vec2(0.0, px))));
        if differs {
            let is_organ = shown == u32(slice.window.w) || own == u32(slice.window.w);
            let ink = select(colour_of(shown), vec3(1.0, 0.85, 0.1), is_organ);
            colour = mix(colour, ink, slice.window.z * select(0.45, 1.0, is_organ));
        }
    }
    if slice.cross.w > 0.0 {
        let line = textureLoad(outlines, vec2<i32>(in.uv * vec2<f32>(textureDimensions(outlines))), 0);
        colour = mix(colour, line.rgb, slice.cross.w * line.a);
    }
    // the cross, open in the middle so that it does not cover what it points at
    let away = abs(in.uv - slice.cross.xy);
    let is_arm = min(away.x, away.y) < 0.6 * px && max(away.x, away.y) > 0.03;
    colour = mix(colour, vec3(0.1, 0.7, 0.9), select(0.0, 0.55, is_arm));
    if any(slice.ruler.xy != slice.ruler.zw) && distance_to_line(in.uv, slice.ruler.xy, slice.ruler.zw) < 1.2 * px {
        colour = vec3(0.1, 0.9, 0.3);
    }
    return vec4(colour, 1.0);
}
