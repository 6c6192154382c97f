//! A cohort: one patient a row, features and parameters as columns, read from CSV with every fault at its row and column.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use nalgebra::{DMatrix, DVector};

use super::model::unit_of;

/// Largest cohort that is read.
const MAX_BYTES: u64 = 256 << 20;
const MAX_COLUMNS: usize = 500;
const MAX_ROWS: usize = 1_000_000;
/// Faults told at once.
const MAX_FAULTS: usize = 20;

/// Columns of numbers: `x.…` and `d.…` are features, `z.…` parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Cohort {
    /// Names as in a model: `x.…`, `d.…`.
    pub features: Vec<String>,
    /// One row a patient.
    pub x: DMatrix<f64>,
    /// Names as in a model, without the `z.` of the column.
    pub parameters: Vec<String>,
    pub z: DMatrix<f64>,
}

/// One mistake of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CohortFault {
    /// Line of the file, counted from 1; the header is the first.
    pub line: usize,
    /// Name of the column, where it is one column's fault.
    pub column: Option<String>,
    pub message: String,
}

/// Why a cohort cannot be used; prints one line a mistake.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CohortError {
    #[error("{} cannot be read: {why}", path.display())]
    Io { path: PathBuf, why: String },
    #[error("{} is too large: more than {MAX_BYTES} bytes, {MAX_ROWS} rows or {MAX_COLUMNS} columns", .0.display())]
    TooLarge(PathBuf),
    #[error("{}", Listed(path, faults))]
    #[diagnostic(help(
        "columns are named x.ORGAN.FEATURE, d.FEATURE and z.PARAMETER; every cell is a number; no column names a person"
    ))]
    Faults { path: PathBuf, faults: Vec<CohortFault> },
}

struct Listed<'a>(&'a Path, &'a [CohortFault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.1.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let column = fault.column.as_ref().map(|name| format!("column `{name}`: ")).unwrap_or_default();
            write!(f, "{}:{}: {column}{}", self.0.display(), fault.line, fault.message)?;
        }
        Ok(())
    }
}

impl Cohort {
    /// Reads a cohort.
    ///
    /// # Errors
    /// Every mistake (the first `MAX_FAULTS`) with its line and column.
    pub fn read(path: &Path) -> Result<Self, CohortError> {
        let io = |why: std::io::Error| CohortError::Io { path: path.to_owned(), why: why.to_string() };
        if std::fs::metadata(path).map_err(io)?.len() > MAX_BYTES {
            return Err(CohortError::TooLarge(path.to_owned()));
        }
        Self::parse(&std::fs::read(path).map_err(io)?, path)
    }

    /// Reads a cohort from its bytes; `path` is the name that faults carry.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, CohortError> {
        let mut faults: Vec<CohortFault> = Vec::new();
        let mut fault = |line: usize, column: Option<&str>, message: String| {
            if faults.len() < MAX_FAULTS {
                faults.push(CohortFault { line, column: column.map(str::to_owned), message });
            }
        };
        let mut table = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let names: Vec<String> = match table.headers() {
            Ok(header) => header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect(),
            Err(why) => return Err(CohortError::Io { path: path.to_owned(), why: why.to_string() }),
        };
        if names.len() > MAX_COLUMNS {
            return Err(CohortError::TooLarge(path.to_owned()));
        }
        for (at, name) in names.iter().enumerate() {
            if let Some(parameter) = name.strip_prefix("z.") {
                if unit_of(parameter).is_none() {
                    fault(1, Some(name), "a parameter's name ends in its unit, such as _pa, _mmhg or _per_min".to_owned());
                }
            } else if !(name.starts_with("x.") || name.starts_with("d.")) {
                fault(1, Some(name), "is neither a feature (x.…, d.…) nor a parameter (z.…)".to_owned());
            }
            if names[..at].contains(name) {
                fault(1, Some(name), "stands twice".to_owned());
            }
        }
        let of_kind = |parameter: bool| (0..names.len()).filter(|&c| names[c].starts_with("z.") == parameter).collect::<Vec<_>>();
        let (features, parameters) = (of_kind(false), of_kind(true));
        if features.is_empty() {
            fault(1, None, "there is no feature: no column begins with x. or d.".to_owned());
        }
        if parameters.is_empty() {
            fault(1, None, "there is no parameter: no column begins with z.".to_owned());
        }
        let mut cells: Vec<f64> = Vec::new();
        let mut rows = 0;
        for record in table.records() {
            let record = match record {
                Ok(record) => record,
                Err(why) => {
                    let line = why.position().map_or(rows + 2, |place| place.line() as usize);
                    fault(line, None, format!("cannot be read: {why}"));
                    break;
                }
            };
            let line = record.position().map_or(rows + 2, |place| place.line() as usize);
            if rows == MAX_ROWS {
                return Err(CohortError::TooLarge(path.to_owned()));
            }
            rows += 1;
            if record.len() != names.len() {
                fault(line, None, format!("{} cells where the header has {}", record.len(), names.len()));
                continue;
            }
            for (name, cell) in names.iter().zip(&record) {
                let value = match cell.parse::<f64>() {
                    Ok(value) if value.is_finite() => value,
                    Ok(value) => {
                        fault(line, Some(name), format!("{value} is not a finite number"));
                        0.0
                    }
                    Err(_) if cell.is_empty() => {
                        fault(line, Some(name), "the cell is empty".to_owned());
                        0.0
                    }
                    Err(_) => {
                        fault(line, Some(name), format!("`{}` is not a number", cell.chars().take(40).collect::<String>()));
                        0.0
                    }
                };
                cells.push(value);
            }
        }
        if !faults.is_empty() {
            return Err(CohortError::Faults { path: path.to_owned(), faults });
        }
        let pick =
            |columns: &[usize]| DMatrix::from_fn(rows, columns.len(), |row, column| cells[row * names.len() + columns[column]]);
        Ok(Self {
            x: pick(&features),
            z: pick(&parameters),
            features: features.iter().map(|&c| names[c].clone()).collect(),
            parameters: parameters.iter().map(|&c| names[c]["z.".len()..].to_owned()).collect(),
        })
    }

    pub fn rows(&self) -> usize {
        self.x.nrows()
    }

    /// What stands in the way of a fit: too few rows, constant columns, columns that follow from others.
    pub fn check_fit(&self, path: &Path, folds: usize) -> Result<(), CohortError> {
        let (rows, columns) = self.x.shape();
        let needed = (columns + 2).max(3 * folds);
        let mut faults = Vec::new();
        let mut fault = |column: Option<String>, message: String| faults.push(CohortFault { line: 1, column, message });
        if rows < needed {
            fault(None, format!("{rows} rows are too few: {columns} features and {folds} folds need {needed}"));
        } else {
            let standard = Standard::of(&self.x);
            for (column, name) in self.features.iter().enumerate() {
                if standard.is_constant(column) {
                    fault(Some(name.clone()), "has the same value in every row".to_owned());
                }
            }
            let z = Standard::of(&self.z);
            for (column, name) in self.parameters.iter().enumerate() {
                if z.is_constant(column) {
                    fault(Some(format!("z.{name}")), "has the same value in every row".to_owned());
                }
            }
            for (column, others) in collinear(&standard.apply(&self.x)) {
                let others: Vec<String> = others.iter().map(|&other| format!("`{}`", self.features[other])).collect();
                fault(Some(self.features[column].clone()), format!("follows from {}: leave one of them out", others.join(", ")));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(CohortError::Faults { path: path.to_owned(), faults }) }
    }
}

/// Centres and spreads of columns (over n, as scikit-learn's `StandardScaler`).
#[derive(Debug, Clone)]
pub struct Standard {
    pub centre: DVector<f64>,
    pub sd: DVector<f64>,
}

impl Standard {
    pub fn of(x: &DMatrix<f64>) -> Self {
        let n = x.nrows().max(1) as f64;
        let centre = DVector::from_fn(x.ncols(), |column, _| x.column(column).sum() / n);
        let sd = DVector::from_fn(x.ncols(), |column, _| {
            (x.column(column).iter().map(|v| (v - centre[column]).powi(2)).sum::<f64>() / n).sqrt()
        });
        Self { centre, sd }
    }

    /// Whether a column does not vary, but for rounding.
    pub fn is_constant(&self, column: usize) -> bool {
        self.sd[column] <= 1e-12 * self.centre[column].abs().max(1e-300)
    }

    /// The columns with mean 0 and spread 1; a constant one becomes 0.
    pub fn apply(&self, x: &DMatrix<f64>) -> DMatrix<f64> {
        DMatrix::from_fn(x.nrows(), x.ncols(), |row, column| {
            if self.is_constant(column) { 0.0 } else { (x[(row, column)] - self.centre[column]) / self.sd[column] }
        })
    }
}

/// Columns that are linear combinations of those before them, with the ones that they follow from: by Gram–Schmidt, taken twice, what is
/// left of a standardised column is less than 10⁻⁷ of it.
fn collinear(x: &DMatrix<f64>) -> Vec<(usize, Vec<usize>)> {
    let mut basis: Vec<(usize, DVector<f64>)> = Vec::new();
    let mut out = Vec::new();
    for column in 0..x.ncols() {
        let mut left: DVector<f64> = x.column(column).into_owned();
        let whole = left.norm();
        if whole == 0.0 {
            continue; // constant: another fault
        }
        for _ in 0..2 {
            for (_, direction) in &basis {
                let along = direction.dot(&left);
                left.axpy(-along, direction, 1.0);
            }
        }
        if left.norm() > 1e-7 * whole {
            left /= left.norm();
            basis.push((column, left));
        } else {
            // which of the earlier ones: those with a weight in the least-squares combination
            let earlier: Vec<usize> = basis.iter().map(|(column, _)| *column).collect();
            let a = DMatrix::from_fn(x.nrows(), earlier.len(), |row, other| x[(row, earlier[other])]);
            let weights = a.svd(true, true).solve(&x.column(column).into_owned(), 1e-12);
            let weights = weights.unwrap_or_else(|_| DVector::zeros(earlier.len()));
            out.push((column, earlier.iter().zip(weights.iter()).filter(|(_, w)| w.abs() > 1e-6).map(|(c, _)| *c).collect()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        match Cohort::parse(text.as_bytes(), Path::new("c.csv")) {
            Err(fault) => fault.to_string(),
            Ok(cohort) => cohort.check_fit(Path::new("c.csv"), 2).expect_err("a fault").to_string(),
        }
    }

    #[test]
    fn a_fault_of_a_table_has_line_and_column() {
        let head = "x.liver.volume_ml,d.age_years,z.liver.young_pa\n";
        assert!(faults(&format!("{head}1,2,3\n1,old,3\n")).contains("c.csv:3: column `d.age_years`: `old` is not a number"));
        assert!(faults(&format!("{head}1,2,3\n1,NaN,3\n")).contains("c.csv:3: column `d.age_years`: NaN is not a finite number"));
        assert!(faults(&format!("{head}1,,3\n")).contains("c.csv:2: column `d.age_years`: the cell is empty"));
        assert!(faults(&format!("{head}1,2\n")).contains("c.csv:2: 2 cells where the header has 3"));
        assert!(faults("x.a,name,z.b_pa\n1,Ada,2\n").contains("column `name`: is neither"));
        assert!(faults("x.a,z.stiffness\n1,2\n").contains("ends in its unit"));
        assert!(faults("x.a,x.a,z.b_pa\n1,1,2\n").contains("stands twice"));
        assert!(faults("x.a\n1\n").contains("no parameter"));
        assert!(faults("").contains("no feature"));
        assert!(faults(&format!("{head}1,2,3\n2,3,4\n")).contains("2 rows are too few"));
        let many = faults(&format!("{head}{}", "a,b,c\n".repeat(5000)));
        assert_eq!(many.lines().count(), MAX_FAULTS);
    }

    #[test]
    fn constant_and_collinear_columns_are_named() {
        let mut text = "x.a,x.b,x.c,x.d,z.p_pa\n".to_owned();
        for i in 0..12 {
            let (a, b) = (f64::from(i), f64::from(i * i % 7));
            text += &format!("{a},{b},{},5,{}\n", 2.0 * a - 3.0 * b + 1.0, a + b);
        }
        let said = faults(&text);
        assert!(said.contains("column `x.d`: has the same value"), "{said}");
        assert!(said.contains("column `x.c`: follows from `x.a`, `x.b`"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }

    #[test]
    fn hostile_tables_are_refused_without_a_panic() {
        for text in ["\u{0}", "\"", "x.a,z.b_pa\n\"", "\u{feff}x.a,z.b_pa\n1e999,1\n", ",,,\n,,,\n", "z.b_pa\n1\n"] {
            assert!(Cohort::parse(text.as_bytes(), Path::new("c.csv")).is_err(), "{text:?}");
        }
        assert!(Cohort::parse(&[0xff, 0xfe, 0x00, 0x0a], Path::new("c.csv")).is_err());
    }
}
