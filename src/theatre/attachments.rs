//! Ligaments and fascia: a line for every fibre that still holds, paler the more it bears.

use bevy::prelude::*;

use crate::tissue::plugin::Tissue;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, draw_attachments.run_if(any_holds));
}

fn any_holds(tissues: Query<&Tissue>) -> bool {
    tissues.iter().any(|tissue| tissue.body.fibres().next().is_some())
}

fn draw_attachments(tissues: Query<&Tissue>, mut gizmos: Gizmos) {
    let (slack, taut) = (Vec3::new(0.30, 0.16, 0.12), Vec3::new(0.85, 0.78, 0.66));
    for tissue in &tissues {
        let positions = tissue.body.positions();
        for (_, node, end, load) in tissue.body.fibres() {
            let colour = slack.lerp(taut, load.clamp(0.0, 1.0));
            gizmos.line(positions[node as usize], end, Color::linear_rgb(colour.x, colour.y, colour.z));
        }
    }
}
