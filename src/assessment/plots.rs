//! The plots of the report, as SVG inside the page.
//!
//! Each hand has its own panel on the same scale, so nothing is told by colour alone. The drawing library rounds to whole units, so
//! it draws on a canvas [`FINE`] times as large as the page shows.

use std::ops::Range;

use glam::{DVec2, DVec3};
use maud::{Markup, PreEscaped};
use plotters::{
    coord::{Shift, types::RangedCoordf64},
    element::{Circle, Cross, DashedPathElement, PathElement, Text},
    prelude::{
        Cartesian2d, ChartBuilder, ChartContext, Color, DrawingArea, IntoDrawingArea, IntoFont, RGBColor, SVGBackend, TextStyle,
    },
    style::{
        ShapeStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

/// Okabe & Ito's blue and vermilion: told apart by every common kind of colour vision, and in grey by their lightness.
pub const HAND_COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0)];
const INK: RGBColor = RGBColor(34, 34, 34);
const FAINT: RGBColor = RGBColor(226, 226, 226);
const LIMIT: RGBColor = RGBColor(150, 0, 36);

/// Canvas units to one unit of the page.
const FINE: u32 = 4;
/// Width of a whole figure on the page.
pub const WIDTH: u32 = 700;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One hand over time.
pub struct Series {
    pub label: String,
    pub colour: RGBColor,
    /// Time (s) and value.
    pub points: Vec<(f64, f64)>,
}

/// A line across a panel, with its name.
pub struct Limit {
    pub value: f64,
    pub label: String,
}

/// Values over time: one panel a series, one below the other, on the same scales.
pub fn over_time(
    series: &[Series],
    unit: &str,
    end_secs: f64,
    limit: Option<&Limit>,
    alternative: &str,
) -> Result<Markup, String> {
    const PANEL: u32 = 136;
    let height = PANEL * series.len() as u32 + 18;
    let most = series.iter().flat_map(|s| &s.points).map(|p| p.1).chain(limit.map(|l| l.value)).fold(0.0, f64::max);
    let top = if most > 0.0 { most * 1.12 } else { 1.0 };
    draw(WIDTH, height, alternative, |area| {
        let (panels, foot) = area.split_vertically(((PANEL * series.len() as u32) * FINE) as i32);
        for (panel, s) in panels.split_evenly((series.len().max(1), 1)).iter().zip(series) {
            let mut chart = ChartBuilder::on(panel)
                .margin_right(10 * FINE)
                .margin_top(22 * FINE)
                .x_label_area_size(20 * FINE)
                .y_label_area_size(46 * FINE)
                .build_cartesian_2d(0.0..end_secs.max(1e-3), 0.0..top)?;
            mesh(&mut chart, 10, 4)?;
            let points = peaks_kept(&s.points, end_secs, 680);
            chart.draw_series([PathElement::new(points, s.colour.stroke_width(FINE + 1))])?;
            if let Some(limit) = limit {
                let line = [(0.0, limit.value), (end_secs, limit.value)];
                let style = LIMIT.stroke_width(FINE);
                chart.draw_series([DashedPathElement::new(line, 5 * FINE, 3 * FINE, style)])?;
                let style = text(11, LIMIT).pos(Pos::new(HPos::Right, VPos::Top));
                let at = (((WIDTH - 10) * FINE) as i32, (3 * FINE) as i32);
                panel.draw(&Text::new(format!("broken line: {}", limit.label), at, style))?;
            }
            let at = ((46 * FINE) as i32, (3 * FINE) as i32);
            panel.draw(&Text::new(format!("{}, {unit}", s.label), at, text(12, s.colour)))?;
        }
        let style = text(11, INK).pos(Pos::new(HPos::Right, VPos::Top));
        foot.draw(&Text::new("time, s", (((WIDTH - 10) * FINE) as i32, 0), style))?;
        Ok(())
    })
}

/// The tools' ways seen along one axis: `pick` takes the two coordinates that are seen, m.
pub struct View {
    pub title: &'static str,
    pub axes: [&'static str; 2],
    pub pick: fn(DVec3) -> DVec2,
    /// Whether the picture reaches to the trocars, or stays close to the ways.
    pub with_trocars: bool,
}

/// Looking down, and looking from the operator's side; near, and with the trocars. The world is right-handed with y up.
pub const VIEWS: [View; 4] = [
    View {
        title: "From above",
        axes: ["x, mm", "z, mm (down: toward the operator)"],
        pick: |p| DVec2::new(p.x, -p.z),
        with_trocars: false,
    },
    View { title: "From the front", axes: ["x, mm", "y, mm (up)"], pick: |p| DVec2::new(p.x, p.y), with_trocars: false },
    View { title: "From above, with the trocars", axes: ["x, mm", "z, mm"], pick: |p| DVec2::new(p.x, -p.z), with_trocars: true },
    View {
        title: "From the front, with the trocars",
        axes: ["x, mm", "y, mm"],
        pick: |p| DVec2::new(p.x, p.y),
        with_trocars: true,
    },
];

/// One view of the ways of both tips; `ways` and `trocars` left hand first.
pub fn way(view: &View, ways: &[Vec<DVec3>; 2], trocars: &[Option<DVec3>; 2], alternative: &str) -> Result<Markup, String> {
    const WAY_WIDTH: u32 = 345;
    let way_height: u32 = if view.with_trocars { 230 } else { 270 };
    let (left, right, above, below) = (54u32, 12u32, 24u32, 38u32);
    let seen = |p: &DVec3| (view.pick)(*p) * 1e3;
    let flat: Vec<Vec<DVec2>> = ways.iter().map(|way| way.iter().map(seen).collect()).collect();
    let pivots: Vec<Option<DVec2>> = trocars.iter().map(|t| t.as_ref().map(seen)).collect();
    let shown = flat.iter().flatten().copied().chain(pivots.iter().flatten().copied().filter(|_| view.with_trocars));
    let size = DVec2::new(f64::from(WAY_WIDTH - left - right), f64::from(way_height - above - below));
    let (x, y, mm_per_unit) = equal_scales(shown, size);
    let flipped = view.axes[1].starts_with('z');
    draw(WAY_WIDTH, way_height, alternative, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin_right(right * FINE)
            .margin_top(above * FINE)
            .x_label_area_size(below * FINE)
            .y_label_area_size(left * FINE)
            .build_cartesian_2d(x.clone(), y.clone())?;
        // what is drawn upward is −z from above: show z itself
        let label = |v: &f64| format!("{:.0}", if flipped { -v + 0.0 } else { *v });
        chart
            .configure_mesh()
            .light_line_style(RGBColor(255, 255, 255))
            .bold_line_style(FAINT.stroke_width(FINE / 2))
            .axis_style(INK.stroke_width(FINE / 2))
            .label_style(text(10, INK))
            .x_labels(5)
            .y_labels(5)
            .x_label_formatter(&|v| format!("{v:.0}"))
            .y_label_formatter(&label)
            .x_desc(view.axes[0])
            .y_desc(view.axes[1])
            .axis_desc_style(text(10, INK))
            .draw()?;
        for ((way, pivot), (colour, name)) in flat.iter().zip(&pivots).zip(HAND_COLOURS.into_iter().zip(["left", "right"])) {
            let points = far_enough(way, 0.4 * mm_per_unit);
            let (first, last) = (points.first().copied(), points.last().copied());
            if let (true, Some(pivot), Some(last)) = (view.with_trocars, pivot, last) {
                let style = colour.mix(0.45).stroke_width(FINE);
                chart.draw_series([DashedPathElement::new([(pivot.x, pivot.y), last], 4 * FINE, 3 * FINE, style)])?;
                chart.draw_series([Circle::new((pivot.x, pivot.y), 5 * FINE, colour.stroke_width(FINE + FINE / 2))])?;
                let to_right = pivot.x < 0.7 * x.end + 0.3 * x.start;
                let side = if to_right { HPos::Left } else { HPos::Right };
                let gap = 8.0 * mm_per_unit * if to_right { 1.0 } else { -1.0 };
                let style = text(10, INK).pos(Pos::new(side, VPos::Center));
                chart.draw_series([Text::new(format!("{name} trocar"), (pivot.x + gap, pivot.y), style)])?;
            }
            chart.draw_series([PathElement::new(points, colour.mix(0.85).stroke_width(FINE))])?;
            if let (false, Some(first), Some(last)) = (view.with_trocars, first, last) {
                chart.draw_series([Circle::new(first, 4 * FINE, ShapeStyle::from(&colour).filled())])?;
                chart.draw_series([Cross::new(last, 4 * FINE, INK.stroke_width(FINE + FINE / 2))])?;
            }
        }
        area.draw(&Text::new(view.title, ((left * FINE) as i32, (5 * FINE) as i32), text(12, INK)))?;
        Ok(())
    })
}

/// Ranges that hold all points with a rim, at one scale on both axes; and how many mm a unit of the page is.
fn equal_scales(points: impl Iterator<Item = DVec2>, size: DVec2) -> (Range<f64>, Range<f64>, f64) {
    let (low, high) = points.fold((DVec2::INFINITY, DVec2::NEG_INFINITY), |(low, high), p| (low.min(p), high.max(p)));
    let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (DVec2::ZERO, DVec2::ZERO) };
    let span = (high - low).max(DVec2::splat(5.0)) * 1.14;
    let scale = (span / size).max_element();
    let half = size * scale * 0.5;
    let middle = (low + high) * 0.5;
    (middle.x - half.x..middle.x + half.x, middle.y - half.y..middle.y + half.y, scale)
}

/// The smallest and the largest value of each of `columns` slices of time, in their order: no peak is lost, and no ink is drawn twice.
fn peaks_kept(points: &[(f64, f64)], end: f64, columns: usize) -> Vec<(f64, f64)> {
    if points.len() <= 2 * columns || end <= 0.0 {
        return points.to_vec();
    }
    let column = |t: f64| (t / end * columns as f64) as usize;
    let mut out = Vec::with_capacity(2 * columns + 2);
    for slice in points.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let low = (0..slice.len()).min_by(|&a, &b| slice[a].1.total_cmp(&slice[b].1)).unwrap_or(0);
        let high = (0..slice.len()).max_by(|&a, &b| slice[a].1.total_cmp(&slice[b].1)).unwrap_or(0);
        out.push(slice[low.min(high)]);
        if low != high {
            out.push(slice[low.max(high)]);
        }
    }
    out
}

/// The points that are at least `step` from the one kept before, and the last.
fn far_enough(points: &[DVec2], step: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<DVec2> = Vec::new();
    for p in points {
        if kept.last().is_none_or(|last| last.distance(*p) >= step) {
            kept.push(*p);
        }
    }
    kept.extend(points.last());
    kept.into_iter().map(|p| (p.x, p.y)).collect()
}

/// Text of `size` units of the page; the library takes a font's size for the height of its line, about 1.24 of what SVG calls its size.
fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    TextStyle { font: ("sans-serif", size * FINE * 5 / 4).into_font(), color: colour.to_backend_color(), pos: Pos::default() }
}

/// A tick's value without idle zeros.
pub fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn mesh(chart: &mut Chart<'_, '_>, x_labels: usize, y_labels: usize) -> Drawn {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(RGBColor(255, 255, 255))
        .bold_line_style(FAINT.stroke_width(FINE / 2))
        .axis_style(INK.stroke_width(FINE / 2))
        .label_style(text(10, INK))
        .x_labels(x_labels)
        .y_labels(y_labels)
        .x_label_formatter(&|v| short(*v))
        .y_label_formatter(&|v| short(*v))
        .draw()?;
    Ok(())
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Draws on a fine canvas and returns the picture for the page, with its text alternative.
fn draw(width: u32, height: u32, alternative: &str, picture: impl FnOnce(&Area<'_>) -> Drawn) -> Result<Markup, String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width * FINE, height * FINE)).into_drawing_area();
        picture(&area).map_err(|why| why.to_string())?;
        area.present().map_err(|why| why.to_string())?;
    }
    let body = svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| &svg[start + end + 1..])).unwrap_or("");
    let alternative = maud::html! { (alternative) }.into_string().replace('"', "&quot;");
    let (w, h) = (width * FINE, height * FINE);
    Ok(PreEscaped(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{alternative}" viewBox="0 0 {w} {h}" width="{width}" height="{height}">{body}"#
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_peak() {
        let mut points: Vec<(f64, f64)> = (0..20_000).map(|i| (f64::from(i) * 0.01, 1.0)).collect();
        points[12_345].1 = 9.0;
        let thin = peaks_kept(&points, 200.0, 680);
        assert!(thin.len() <= 1362 && thin.iter().any(|p| p.1 == 9.0));
        assert!(thin.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn a_text_alternative_cannot_break_out_of_its_attribute() {
        let markup = draw(10, 10, "a \"b\" <c> & d", |_| Ok(())).unwrap().into_string();
        assert!(markup.contains(r#"aria-label="a &quot;b&quot; &lt;c&gt; &amp; d""#), "{markup}");
    }
}
