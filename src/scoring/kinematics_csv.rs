//! Motion metrics of a kinematics file: one tip over time, as comma-separated numbers.

use glam::{DQuat, DVec3};

use super::{Filter, Metrics, Motion, Trajectory, Undefined, of_trace::push_motion};

const COLUMNS: [&str; 8] = ["t_s", "x_m", "y_m", "z_m", "qx", "qy", "qz", "qw"];
/// Fewer samples have no second difference.
const MIN_SAMPLES: usize = 3;

/// The longest recording that is resampled, s: a day, 8.6 million samples.
const MAX_FILTERED_SECS: f64 = 86_400.0;

/// What is wrong with a kinematics file, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum KinematicsFault {
    #[error("line 1: the header is “{found}”, not t_s,x_m,y_m,z_m or t_s,x_m,y_m,z_m,qx,qy,qz,qw")]
    #[diagnostic(help("seconds and metres; the orientation is a unit quaternion, real part last"))]
    Header { found: String },
    #[error("line {line}: {found} values under a header of {expected} columns")]
    Columns { line: usize, found: usize, expected: usize },
    #[error("line {line}, column {column}: “{text}” is not a number")]
    NotANumber { line: usize, column: &'static str, text: String },
    #[error("line {line}, column {column}: {text} is not finite")]
    NotFinite { line: usize, column: &'static str, text: String },
    #[error("line {line}, column t_s: time does not increase: {time} s after {before} s")]
    #[diagnostic(help("each sample needs a later time than the one before; remove repeated samples"))]
    TimeNotIncreasing { line: usize, before: f64, time: f64 },
    #[error("line {line}, columns qx to qw: a quaternion of length {length} is no orientation")]
    NoRotation { line: usize, length: f64 },
    #[error("line {line}: the file ends after {have} samples; metrics need at least {need}")]
    TooFew { line: usize, have: usize, need: usize },
    #[error("line {line}, column t_s: the recording lasts {secs} s; more than {MAX_FILTERED_SECS} s are not resampled")]
    #[diagnostic(help("times are in seconds; without the filter the samples are taken as they are"))]
    TooLong { line: usize, secs: f64 },
}

/// The metrics of [`DEFINITIONS`](super::DEFINITIONS) that one trajectory can give, over the samples of a file with the header
/// `t_s,x_m,y_m,z_m[,qx,qy,qz,qw]`, each under its id without a hand.
///
/// Speed is the forward difference of the samples as they are; with `filter` they first go through the resampling and the low-pass that
/// a trace's metrics go through. Spectra and jerk need regular samples: where the file's are not, they are taken as regular at the
/// median rate, and the value carries a remark that says so.
pub fn metrics_of_csv(text: &str, filter: bool) -> Result<Metrics, KinematicsFault> {
    let raw = read(text)?;
    let lines = text.lines().count();
    let too_few = |fault| match fault {
        Undefined::TooFew { have, need } => KinematicsFault::TooFew { line: lines, have, need },
        _ => KinematicsFault::TooFew { line: lines, have: raw.len(), need: MIN_SAMPLES },
    };
    let (start, end) = (raw.t[0], raw.t[raw.len() - 1]);
    let elapsed = end - start;
    if filter && elapsed > MAX_FILTERED_SECS {
        return Err(KinematicsFault::TooLong { line: lines, secs: elapsed });
    }
    let trajectory = if filter { raw.standard(start, end).map_err(too_few)? } else { raw.clone() };
    let motion = Motion::new(trajectory).map_err(too_few)?;
    let provenance = if filter { Filter::Standard } else { Filter::None };
    let mut out = Metrics::default();
    out.push("time", None, Ok(elapsed), Filter::None);
    push_motion(&mut out, None, Ok(&motion), &[], None, provenance);
    if !motion.regular {
        let remark = format!("the samples are not regular; taken as regular at their median rate, {:.3} Hz", motion.rate_hz);
        let spectral = ["njerk", "dlj", "ldlj", "ldlj_per_movement", "dlj_speed", "ldlj_speed", "sparc", "sparc_per_movement"];
        out.remark(&spectral, &remark);
    }
    Ok(out)
}

fn read(text: &str) -> Result<Trajectory, KinematicsFault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map_or("", |(_, line)| line);
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let oriented = names == COLUMNS;
    if !oriented && names != COLUMNS[..4] {
        return Err(KinematicsFault::Header { found: header.chars().take(120).collect() });
    }
    let mut out = Trajectory { q: oriented.then(Vec::new), ..Trajectory::default() };
    let mut last_line = 1;
    for (line, row) in lines {
        last_line = line;
        let cells: Vec<&str> = row.split(',').map(str::trim).collect();
        if cells.len() != names.len() {
            return Err(KinematicsFault::Columns { line, found: cells.len(), expected: names.len() });
        }
        let mut n = [0.0f64; 8];
        for ((value, text), column) in n.iter_mut().zip(cells).zip(COLUMNS) {
            let short = || text.chars().take(40).collect();
            *value = text.parse().map_err(|_| KinematicsFault::NotANumber { line, column, text: short() })?;
            if !value.is_finite() {
                return Err(KinematicsFault::NotFinite { line, column, text: short() });
            }
        }
        let [time, x, y, z, qx, qy, qz, qw] = n;
        if let Some(&before) = out.t.last().filter(|before| time <= **before) {
            return Err(KinematicsFault::TimeNotIncreasing { line, before, time });
        }
        if let Some(q) = &mut out.q {
            let rotation = DQuat::from_xyzw(qx, qy, qz, qw);
            let length = rotation.length();
            // printed quaternions are rounded; a length that far off is another thing
            if !(0.9..1.1).contains(&length) {
                return Err(KinematicsFault::NoRotation { line, length });
            }
            q.push(rotation.normalize());
        }
        out.t.push(time);
        out.p.push(DVec3::new(x, y, z));
    }
    if out.len() < MIN_SAMPLES {
        return Err(KinematicsFault::TooFew { line: last_line, have: out.len(), need: MIN_SAMPLES });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "t_s,x_m,y_m,z_m\n";

    fn fault(rows: &str) -> String {
        metrics_of_csv(&format!("{HEADER}{rows}"), false).unwrap_err().to_string()
    }

    #[test]
    fn faults_name_line_and_column() {
        assert_eq!(fault("0,0,0,0\n0.1,0,oops,0\n"), "line 3, column y_m: “oops” is not a number");
        assert_eq!(fault("0,0,0,0\n0.1,0,0,NaN\n"), "line 3, column z_m: NaN is not finite");
        assert_eq!(fault("0,0,0,0\n0.1,0,0,0\n0.1,0,0,0\n"), "line 4, column t_s: time does not increase: 0.1 s after 0.1 s");
        assert_eq!(fault("0,0,0,0\n0.1,0,0\n"), "line 3: 3 values under a header of 4 columns");
        assert_eq!(fault("0,0,0,0\n0.1,1,0,0\n"), "line 3: the file ends after 2 samples; metrics need at least 3");
        assert!(metrics_of_csv("", false).unwrap_err().to_string().starts_with("line 1: the header is"));
        assert!(metrics_of_csv("t,x,y,z\n0,0,0,0", false).is_err());
        let turned = "t_s,x_m,y_m,z_m,qx,qy,qz,qw\n0,0,0,0,0,0,0,0\n";
        assert_eq!(
            metrics_of_csv(turned, false).unwrap_err().to_string(),
            "line 2, columns qx to qw: a quaternion of length 0 is no orientation"
        );
    }

    #[test]
    fn absurd_numbers_are_faults_or_missing_values() {
        let text = format!("{HEADER}0,0,0,0\n1e300,1e300,-1e300,0\n1.5e300,0,0,1e-300\n");
        assert!(matches!(metrics_of_csv(&text, true), Err(KinematicsFault::TooLong { line: 4, .. })));
        let m = metrics_of_csv(&text, false).unwrap();
        assert_eq!(m.get("volume_ellipsoid").unwrap().reason.as_deref(), Some("the result is not a finite number"));
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_are_read() {
        let text = "\u{feff}t_s,x_m,y_m,z_m\r\n0,0,0,0\r\n1,0.003,0,0\r\n2,0.006,0,0.004\r\n\r\n";
        let m = metrics_of_csv(text, false).unwrap();
        assert_eq!(m.value("time"), Some(2.0));
        assert!((m.value("path_length").unwrap() - 8.0).abs() < 1e-12); // 3 mm and a 3-4-5 triangle
    }

    #[test]
    fn a_tip_at_rest_gives_nulls_with_reasons_and_no_zeros_for_smoothness() {
        let rows: String = (0..60).map(|i| format!("{},0.1,0.2,0.3\n", f64::from(i) * 0.02)).collect();
        let m = metrics_of_csv(&format!("{HEADER}{rows}"), false).unwrap();
        for id in ["economy", "eov", "eoa", "njerk", "dlj", "ldlj", "sparc"] {
            let metric = m.get(id).unwrap();
            assert_eq!((metric.value, metric.reason.as_deref()), (None, Some("no motion")), "{id}");
        }
        assert_eq!(m.value("path_length"), Some(0.0));
        assert!(m.get("angular_path").unwrap().reason.is_some() && m.get("depth_path").unwrap().value.is_none());
    }

    #[test]
    fn the_filter_is_named_where_it_was_used() {
        let rows: String = (0..60).map(|i| format!("{},{},0,0\n", f64::from(i) * 0.02, f64::from(i * i) * 1e-4)).collect();
        let text = format!("{HEADER}{rows}");
        assert_eq!(metrics_of_csv(&text, true).unwrap().get("sparc").unwrap().filter, Filter::Standard);
        assert_eq!(metrics_of_csv(&text, false).unwrap().get("sparc").unwrap().filter, Filter::None);
    }
}
