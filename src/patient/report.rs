//! `report.html` of an import: what the images were, what became of them, and what is uncertain. One page that needs nothing else, and no
//! person in it.

use glam::DVec3;
use maud::{Markup, PreEscaped, html};
use plotters::prelude::{ChartBuilder, IntoDrawingArea, IntoFont, RGBColor, Rectangle, SVGBackend};

use super::{
    frame,
    import::ImportReport,
    info::Fault,
    model::{Parameter, short, unit_of},
    picture::{Sheet, Window, colour, data_uri, middle},
    plane::Plane,
    portrait::{View, portrait},
    twin::Twin,
};
use crate::page::page;

/// The whole page.
///
/// # Errors
/// What the drawing library has to say when the histogram fails.
pub fn report_html(twin: &Twin, report: &ImportReport) -> Result<String, String> {
    let body = html! {
        (masthead(twin, report))
        main {
            (image_section(report))
            (slice_section(twin, report))
            (label_section(twin, report))
            (mesh_section(twin, report)?)
            @if !report.vessels.is_empty() { (vessel_section(report)) }
            (parameter_section(report))
            (uncertain_section(twin, report))
        }
        footer { p { "A research and education tool, not a medical device: nothing here is for diagnosis or treatment." } }
    };
    Ok(page(&format!("Import: {}", twin.name), "", &body))
}

fn masthead(twin: &Twin, report: &ImportReport) -> Markup {
    let quality = &report.quality;
    let person = match &twin.record {
        Some(record) if record.invented => "invented by its author",
        Some(_) => "of a patient, without name or date",
        None => "none: the model stands at its centres",
    };
    html! {
        header {
            p.maker { "Halsted · import of a patient twin" }
            h1 { (twin.name) }
            dl.key {
                (figure(&report.organ.name, &format!("{:.0} ml", quality.label_volume_ml), &format!("{:.0} ± {:.0} {}", report.organ_mean, report.organ_sd, value_unit(report))))
                (figure("Mesh", &format!("{}", quality.tets), "tetrahedra"))
                (figure("Surface", &format!("{:.2} mm", quality.label_distance_p95_mm), "95 % of the label's faces are nearer"))
                (figure("Notes", &report.warnings.len().to_string(), "faults, corrections, doubts"))
            }
            dl.facts.wide {
                dt { "Record" } dd { (person) }
                @if let Some(attribution) = &twin.source.attribution { dt { "Images" } dd { (attribution) } }
            }
        }
    }
}

fn figure(name: &str, value: &str, remark: &str) -> Markup {
    html! { div { dt { (name) } dd { span.big { (value) } span.small { (remark) } } } }
}

fn value_unit(report: &ImportReport) -> &'static str {
    if report.series.modality == "CT" { "HU" } else { "(image units)" }
}

fn image_section(report: &ImportReport) -> Markup {
    let series = &report.series;
    let mm = |values: &[Option<f64>]| {
        values.iter().map(|mm| mm.map_or("?".to_owned(), |mm| format!("{mm:.3}"))).collect::<Vec<_>>().join(" × ")
    };
    let range = match (series.value_min, series.value_max, series.value_mean) {
        (Some(low), Some(high), Some(mean)) => format!("{low:.0} to {high:.0}, mean {mean:.1} {}", value_unit(report)),
        _ => "none".to_owned(),
    };
    html! {
        section {
            h2 { "The images" }
            dl.facts {
                dt { "Modality" } dd { (series.modality) }
                dt { "Size" } dd { (series.columns) " × " (series.rows) " × " (series.slices) }
                dt { "Spacing" } dd { (mm(&series.spacing_mm)) " mm (row, column, slice)" }
                dt { "Even steps" } dd { @if series.uniform { "yes" } @else { "no" } }
                dt { "Gantry tilt" } dd { (format!("{:.2}°", series.gantry_tilt_deg)) }
                dt { "Values" } dd { (range) }
                dt { "Transfer syntax" } dd { code { (series.transfer_syntax) } }
                dt { "Other files" } dd { (report.skipped) " in the folder are no images" }
            }
            h3 { "Faults and corrections" }
            @if series.faults.is_empty() { p { "None were found in the series." } }
            @else { (faults(&series.faults)) }
        }
    }
}

fn faults(faults: &[Fault]) -> Markup {
    html! { table {
        thead { tr { th { "What" } th { "Code" } } }
        tbody { @for fault in faults { tr { td { (fault.message) } td { code { (fault.code) } } } } }
    } }
}

fn slice_section(twin: &Twin, report: &ImportReport) -> Markup {
    let window = Window::usual(&report.series.modality, &twin.volume);
    let through = frame::label_bounds(&twin.labels, twin.organ.label)
        .map_or_else(|| middle(&twin.volume), |[low, high]| (low + high) * 0.5);
    let surfaces = twin.surfaces_in_lps();
    let pictures = Plane::ALL.map(|plane| {
        let sheet = Sheet::new(&twin.volume, plane, through, 2.0);
        let mut picture = sheet.picture(&twin.volume, Some(&twin.labels), window);
        surfaces.iter().for_each(|(_, surface)| sheet.outline(surface, &mut picture));
        (plane, data_uri(&picture.png()))
    });
    let DVec3 { x, y, z } = through;
    html! {
        section {
            h2 { "Slices" }
            div.pictures {
                @for (plane, address) in pictures {
                    figure style=[(plane == Plane::Axial).then_some("grid-column: 1 / -1; max-width: 768px")] {
                        img src=(address) alt={ (plane.name()) " slice with the outlines of the labels and of the mesh" };
                        figcaption { (capitalised(plane.name())) }
                    }
                }
            }
            p.note {
                (format!("Through the middle of the {} at ({x:.0}, {y:.0}, {z:.0}) mm, LPS; level {:.0}, width {:.0}. ", report.organ.name, window.level, window.width))
                "The patient's left is on the right; in the sagittal slice the front is on the left. The coloured lines are the labels' outermost pixels, the white line is where the slice cuts the mesh."
            }
        }
    }
}

fn label_section(twin: &Twin, report: &ImportReport) -> Markup {
    let mut counts = [0u64; 256];
    twin.labels.voxels.iter().for_each(|label| counts[usize::from(*label)] += 1);
    let voxel_ml = twin.labels.voxel_mm3() * 1e-3;
    let present = (1..256usize).filter(|label| counts[*label] > 0);
    let name = |label: usize| match twin.regions.iter().find(|region| usize::from(region.label) == label) {
        Some(region) => region.name.clone(),
        None if label == usize::from(twin.organ.label) => twin.organ.name.clone(),
        None => "not named".to_owned(),
    };
    html! {
        section {
            h2 { "Labels" }
            table {
                thead { tr { th { "Label" } th { "Name" } th.n { "Voxels" } th.n { "Volume, ml" } th { "Line" } } }
                tbody { @for label in present { tr {
                    td { (label) }
                    td { (name(label)) }
                    td.n { (counts[label]) }
                    td.n { (format!("{:.1}", counts[label] as f64 * voxel_ml)) }
                    td { (swatch(label as u8)) }
                } } }
            }
            @if !report.segments.is_empty() {
                h3 { "Found from seeds" }
                ul { @for segment in &report.segments { li { (segment) } } }
            }
            h3 { "Image features of the " (report.organ.name) }
            table {
                thead { tr { th { "Feature" } th.n { "Value" } } }
                tbody { @for (name, value) in report.parameters.features.iter().filter(|(name, _)| name.starts_with("x.")) {
                    tr { td { code { (name) } } td.n { (short(*value)) } }
                } }
            }
        }
    }
}

fn swatch(label: u8) -> Markup {
    let [r, g, b] = colour(label);
    html! { svg width="34" height="10" viewBox="0 0 34 10" aria-hidden="true" { rect width="34" height="10" fill={ "rgb(" (r) "," (g) "," (b) ")" } {} } }
}

fn mesh_section(twin: &Twin, report: &ImportReport) -> Result<Markup, String> {
    let quality = &report.quality;
    let angles: Vec<f64> =
        (0..twin.tets.tets.len()).flat_map(|tet| twin.tets.dihedral_angles(tet)).map(f64::to_degrees).collect();
    let below = angles.iter().filter(|angle| **angle < 10.0).count();
    Ok(html! {
        section {
            h2 { "The mesh" }
            dl.facts {
                dt { "Tetrahedra" } dd { (quality.tets) " on " (quality.vertices) " vertices" }
                dt { "Feature size" } dd { (format!("{:.1} mm", quality.feature_mm)) }
                dt { "Volume" } dd { (format!("{:.1} ml, {:+.2} % of the label's", quality.volume_ml, 100.0 * quality.volume_error())) }
                dt { "Dihedral angles" } dd { (format!("{:.1}° to {:.1}°; 99.9 % above {:.1}°", quality.dihedral_min_deg, quality.dihedral_max_deg, quality.dihedral_low_deg)) }
                dt { "Surface to label" } dd { (format!("95 % within {:.2} mm, all within {:.2} mm", quality.label_distance_p95_mm, quality.label_distance_max_mm)) }
                dt { "Below 10°" } dd { (below) " of " (angles.len()) " angles" }
            }
            @if !report.regions.is_empty() { (region_table(report)) }
            (agreement_table(report))
            (portraits(twin))
            figure {
                (histogram(&angles)?)
                figcaption { "Dihedral angles, in steps of 5°: thin tetrahedra have angles near 0° and 180°, and make the solver slow." }
            }
            p.note { "The distance is from the centres of the label's outer voxel faces to the mesh; the voxels' own stairs are part of it." }
        }
    })
}

fn vessel_section(report: &ImportReport) -> Markup {
    html! {
        section {
            h2 { "Vessels" }
            table {
                thead { tr { th { "Vessel" } th.n { "Branch" } th.n { "Comes from" } th.n { "Length, mm" } th.n { "Radius, mm" } } }
                tbody { @for tree in &report.vessels { @for (number, branch) in tree.branches.iter().enumerate() { tr {
                    td { (tree.name) }
                    td.n { (number) }
                    td.n { @if let Some(parent) = branch.parent { (parent) } @else { "–" } }
                    td.n { (format!("{:.1}", branch.length_mm)) }
                    td.n { (format!("{:.1}", branch.radius_mm)) }
                } } } }
            }
            p.note {
                "Centre lines through the label; the radius is that of a round tube of the branch's area, away from forks and ends. "
                "A ring of vessels is cut open, and which end the blood comes from is not known."
            }
        }
    }
}

/// One conforming mesh of several organs, organ by organ.
fn region_table(report: &ImportReport) -> Markup {
    html! {
        table {
            thead { tr {
                th { "Region" } th.n { "Tetrahedra" } th.n { "Label, ml" } th.n { "Mesh, ml" } th.n { "Smallest angle" }
                th.n { "95 % of the label's faces within" } th.n { "All within" }
            } }
            tbody { @for region in &report.regions { tr {
                td { (region.name) }
                td.n { (region.quality.tets) }
                td.n { (format!("{:.1}", region.quality.label_volume_ml)) }
                td.n { (format!("{:.1}", region.quality.volume_ml)) }
                td.n { (format!("{:.1}°", region.quality.dihedral_min_deg)) }
                td.n { (format!("{:.2} mm", region.quality.label_distance_p95_mm)) }
                td.n { (format!("{:.2} mm", region.quality.label_distance_max_mm)) }
            } } }
        }
        p.note { "The regions share the faces, edges and vertices of their common borders." }
    }
}

/// The mesh from two sides.
fn portraits(twin: &Twin) -> Markup {
    let label = |tet: usize| match twin.tet_regions.get(tet).and_then(|&region| twin.regions.get(usize::from(region))) {
        Some(region) => region.label,
        None => twin.organ.label,
    };
    let pictures = View::ALL.map(|view| (view.name(), data_uri(&portrait(&twin.tets, label, view).png())));
    html! {
        div.pictures {
            @for (name, address) in pictures {
                figure {
                    img src=(address) alt={ "The mesh " (name) };
                    figcaption { "The mesh " (name) "; the patient's left is on the right." }
                }
            }
        }
    }
}

/// Each organ's mesh against its label, in the measures of segmentation challenges.
fn agreement_table(report: &ImportReport) -> Markup {
    html! {
        table {
            thead { tr { th { "Mesh against label" } th.n { "Dice" } th.n { "Hausdorff, 95 %" } th.n { "Hausdorff" } th.n { "Volume error" } } }
            tbody { @for organ in &report.agreement { tr {
                td { (organ.name) }
                td.n { (format!("{:.3}", organ.dice)) }
                td.n { (format!("{:.2} mm", organ.hausdorff_p95_mm)) }
                td.n { (format!("{:.2} mm", organ.hausdorff_max_mm)) }
                td.n { (format!("{:+.2} %", 100.0 * organ.volume_error)) }
            } } }
        }
        p.note { "Dice counts the voxels whose centres lie in the mesh; the Hausdorff distances go both ways between the mesh and the voxels' outer faces." }
    }
}

/// How many angles (degrees) fall into each step of 5.
fn histogram(angles: &[f64]) -> Result<Markup, String> {
    const STEP: f64 = 5.0;
    // the library draws in whole units: four to one of the page
    const FINE: u32 = 4;
    const SIZE: (u32, u32) = (700, 190);
    let mut counts = [0u32; 36];
    for angle in angles {
        counts[((angle / STEP) as usize).min(35)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let fault = |why: &dyn std::fmt::Display| why.to_string();
    let ink = RGBColor(34, 34, 34);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (SIZE.0 * FINE, SIZE.1 * FINE)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin_top(8 * FINE)
            .margin_right(10 * FINE)
            .x_label_area_size(36 * FINE)
            .y_label_area_size(64 * FINE)
            .build_cartesian_2d(0.0..180.0, 0.0..f64::from(most) * 1.05)
            .map_err(|why| fault(&why))?;
        let text = |size: u32| ("sans-serif", size * FINE * 5 / 4).into_font().color(&ink);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(RGBColor(255, 255, 255))
            .bold_line_style(RGBColor(226, 226, 226))
            .x_labels(10)
            .y_labels(4)
            .x_label_formatter(&|v| format!("{v:.0}"))
            .y_label_formatter(&|v| format!("{v:.0}"))
            .x_desc("dihedral angle, degrees")
            .y_desc("angles")
            .label_style(text(10))
            .axis_desc_style(text(10))
            .draw()
            .map_err(|why| fault(&why))?;
        let bars = counts.iter().enumerate().map(|(step, count)| {
            let low = step as f64 * STEP;
            Rectangle::new(
                [(low + 0.3, 0.0), (low + STEP - 0.3, f64::from(*count))],
                plotters::style::ShapeStyle::from(&RGBColor(74, 90, 106)).filled(),
            )
        });
        chart.draw_series(bars).map_err(|why| fault(&why))?;
        area.present().map_err(|why| fault(&why))?;
    }
    let body = svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| &svg[start + end + 1..])).unwrap_or("");
    let (w, h) = (SIZE.0 * FINE, SIZE.1 * FINE);
    let alternative = format!("Histogram of {} dihedral angles; most of them, {most}, in one step of 5 degrees.", angles.len());
    Ok(PreEscaped(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{alternative}" viewBox="0 0 {w} {h}" width="{}" height="{}">{body}"#,
        SIZE.0, SIZE.1
    )))
}

fn parameter_section(report: &ImportReport) -> Markup {
    let parameters = &report.parameters;
    html! {
        section {
            h2 { "Parameters" }
            p {
                "What the simulation uses, z = A x + B d, by the model " code { (parameters.model) }
                @if parameters.model_invented { ", which was learnt from made-up patients" }
                @if !parameters.checked_by_clinician { ". No clinician has checked it" }
                ". The spread is one standard deviation between people."
            }
            table {
                thead { tr { th { "Parameter and its source" } th.n { "Value" } th.n { "± SD" } th { "Unit" } } }
                tbody { @for parameter in &parameters.values { (parameter_row(parameter)) } }
            }
        }
    }
}

fn parameter_row(parameter: &Parameter) -> Markup {
    html! { tr {
        td {
            code { (parameter.name) }
            @if !parameter.source.is_empty() { span.why { (parameter.source) } }
            @for doubt in &parameter.doubts { span.why.reason { "– " (doubt) } }
        }
        td.n { (short(parameter.value)) }
        td.n { @if parameter.sd > 0.0 { (short(parameter.sd)) } @else { "measured" } }
        td { (unit_of(&parameter.name).unwrap_or("")) }
    } }
}

fn uncertain_section(twin: &Twin, report: &ImportReport) -> Markup {
    let doubtful: Vec<&str> = report.parameters.values.iter().filter(|p| !p.doubts.is_empty()).map(|p| p.name.as_str()).collect();
    let mut notes: Vec<String> = report
        .warnings
        .iter()
        .filter(|warning| !report.series.faults.contains(warning))
        .map(|warning| capitalised(&warning.message))
        .collect();
    if !doubtful.is_empty() {
        notes.push(format!("The model knows too little, or is outside its range, for: {}", doubtful.join(", ")));
    }
    notes.push(format!(
        "Stiffness is one number for the whole {}, isotropic; its values in the images do not vary it, because with contrast medium they tell of blood and no published relation holds inside a soft organ",
        report.organ.name
    ));
    if !report.parameters.checked_by_clinician {
        notes.push("The values of the model were not checked by a clinician".to_owned());
    }
    if twin.record.as_ref().is_some_and(|record| record.invented) {
        notes.push("The record is invented: what follows from it says nothing of the person in the images".to_owned());
    }
    notes.push("Outlines are as good as the labels: whether they are the organ, nothing here has checked".to_owned());
    html! {
        section {
            h2 { "What is uncertain" }
            ul { @for note in notes { li { (note) "." } } }
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
