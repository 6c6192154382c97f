//! Slices of a volume as pictures: the patient's own planes, whatever way the images lie, with window and level and the labels' contours.

use std::{io::Write, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use glam::{DVec2, DVec3};

use super::plane::Plane;
use crate::geom::{TriMesh, Volume};

/// Widest and highest picture, pixels.
const MOST_PIXELS: usize = 1024;
/// A picture is at least this wide: a small image is shown larger.
const LEAST_PIXELS: f64 = 320.0;

/// Okabe & Ito's colours, which every common kind of colour vision tells apart.
const CONTOURS: [[u8; 3]; 7] =
    [[240, 228, 66], [86, 180, 233], [230, 159, 0], [0, 158, 115], [204, 121, 167], [0, 114, 178], [213, 94, 0]];

/// The line of a surface: none of a label's, and no tissue's.
pub(crate) const SURFACE: [u8; 3] = [255, 255, 255];

/// Which values are shown from black to white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub level: f64,
    pub width: f64,
}

impl Window {
    /// The usual window of soft tissue, HU.
    pub const SOFT_TISSUE: Self = Self { level: 40.0, width: 400.0 };

    /// From the 1st to the 99th percentile of the values.
    pub fn of_values<T: Copy + Into<f64>>(volume: &Volume<T>) -> Self {
        let stride = (volume.voxels.len() / 100_000).max(1);
        let mut values: Vec<f64> =
            volume.voxels.iter().step_by(stride).map(|v| (*v).into()).filter(|v: &f64| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied().unwrap_or(0.0);
        let (low, high) = (at(0.01), at(0.99));
        Self { level: 0.5 * (low + high), width: (high - low).max(1.0) }
    }

    /// Soft tissue for CT, the percentiles for anything else.
    pub fn usual<T: Copy + Into<f64>>(modality: &str, volume: &Volume<T>) -> Self {
        if modality == "CT" { Self::SOFT_TISSUE } else { Self::of_values(volume) }
    }

    fn grey(self, value: f64) -> u8 {
        let share = (value - self.level) / self.width + 0.5;
        (255.0 * share.clamp(0.0, 1.0)).round() as u8
    }
}

/// A picture, three bytes a pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// The square pixels of a slice, and where they lie in the patient (LPS, mm).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet {
    /// What is to the right and what is below.
    axes: [DVec3; 2],
    /// Of the upper left corner along them.
    corner: [f64; 2],
    /// A place in the slice, less what it has along them.
    depth: DVec3,
    pixel_mm: f64,
    pub width: usize,
    pub height: usize,
}

impl Sheet {
    /// All of `volume` in the slice through a place, with `fineness` pixels to the smallest edge of a voxel, as far as the picture's size
    /// allows.
    pub fn new<T: Copy>(volume: &Volume<T>, plane: Plane, through: DVec3, fineness: f64) -> Self {
        let [right, down] = plane.axes();
        let corner = |n: usize| {
            let ijk = [0, 1, 2].map(|axis| if n >> axis & 1 == 0 { -0.5 } else { volume.dims[axis] as f64 - 0.5 });
            volume.lps_from_voxel.transform_point3(DVec3::from_array(ijk))
        };
        let range = |axis: DVec3| {
            (0..8)
                .map(|n| axis.dot(corner(n)))
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), t| (low.min(t), high.max(t)))
        };
        let ((x0, x1), (y0, y1)) = (range(right), range(down));
        let finest = volume.spacing_mm().into_iter().fold(f64::INFINITY, f64::min) / fineness;
        let longest = (x1 - x0).max(y1 - y0);
        let pixel_mm = finest.min((x1 - x0) / LEAST_PIXELS).max(longest / MOST_PIXELS as f64).max(1e-6);
        let count = |length: f64| ((length / pixel_mm).round() as usize).clamp(1, MOST_PIXELS);
        let depth = through - right * right.dot(through) - down * down.dot(through);
        Self { axes: [right, down], corner: [x0, y0], depth, pixel_mm, width: count(x1 - x0), height: count(y1 - y0) }
    }

    /// The centre of a pixel.
    fn lps_of(&self, column: usize, row: usize) -> DVec3 {
        let [right, down] = self.axes;
        let along = |corner: f64, n: usize| corner + (n as f64 + 0.5) * self.pixel_mm;
        self.depth + right * along(self.corner[0], column) + down * along(self.corner[1], row)
    }

    /// The values in the slice, nearest voxels; black outside the image. The outermost pixels of each label are drawn in its colour.
    pub fn picture<T: Copy + Into<f64>>(&self, volume: &Volume<T>, labels: Option<&Volume<u8>>, window: Window) -> Picture {
        let &Self { width, height, .. } = self;
        let voxel_from_lps = volume.lps_from_voxel.inverse();
        let voxel = |column: usize, row: usize| -> Option<usize> {
            let ijk = voxel_from_lps.transform_point3(self.lps_of(column, row)).round().to_array();
            let inside = (0..3).all(|axis| ijk[axis] >= 0.0 && ijk[axis] < volume.dims[axis] as f64);
            inside.then(|| volume.index(ijk.map(|n| n as usize)))
        };
        let voxels: Vec<Option<usize>> = (0..width * height).map(|n| voxel(n % width, n / width)).collect();
        let label = |n: usize| labels.zip(voxels[n]).and_then(|(labels, at)| labels.voxels.get(at)).copied().unwrap_or(0);
        let mut rgb = Vec::with_capacity(3 * width * height);
        for (n, at) in voxels.iter().enumerate() {
            let (column, row) = (n % width, n / width);
            let own = label(n);
            let beside = [
                (column > 0).then(|| n - 1),
                (column + 1 < width).then_some(n + 1),
                (row > 0).then(|| n - width),
                (row + 1 < height).then_some(n + width),
            ];
            if own != 0 && beside.into_iter().any(|beside| beside.is_none_or(|beside| label(beside) != own)) {
                rgb.extend(colour(own));
            } else {
                rgb.extend([at.map_or(0, |at| window.grey(volume.voxels[at].into())); 3]);
            }
        }
        Picture { width, height, rgb }
    }

    /// Draws the line in which the slice cuts a surface (its vertices in LPS, mm) into a picture of this sheet.
    pub fn outline(&self, surface: &TriMesh, picture: &mut Picture) {
        let [right, down] = self.axes;
        for ends in surface.section(self.depth.as_vec3(), right.cross(down).as_vec3()) {
            // in pixels, whole numbers at their centres
            let [from, to] = ends.map(|end| {
                let along = |axis: DVec3, corner: f64| (axis.dot(end.as_dvec3()) - corner) / self.pixel_mm - 0.5;
                DVec2::new(along(right, self.corner[0]), along(down, self.corner[1]))
            });
            let steps = (to - from).abs().max_element().ceil().clamp(1.0, 2.0 * MOST_PIXELS as f64) as usize;
            for step in 0..=steps {
                let at = from.lerp(to, step as f64 / steps as f64).round();
                let inside = at.min_element() >= 0.0 && at.x < self.width as f64 && at.y < self.height as f64;
                if inside {
                    let pixel = 3 * (at.x as usize + self.width * at.y as usize);
                    picture.rgb[pixel..pixel + 3].copy_from_slice(&SURFACE);
                }
            }
        }
    }
}

impl Picture {
    /// The slice through a place (LPS, mm), with the labels' outlines.
    pub fn slice<T: Copy + Into<f64>>(
        volume: &Volume<T>,
        labels: Option<&Volume<u8>>,
        plane: Plane,
        through: DVec3,
        window: Window,
    ) -> Self {
        Sheet::new(volume, plane, through, 1.0).picture(volume, labels, window)
    }

    /// The picture as a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.rgb));
        written.expect("a picture has three bytes for each of its pixels, and memory takes them");
        bytes
    }

    /// Writes the PNG file whole or not at all.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&self.png())?;
        file.persist(path).map(drop).map_err(|fault| fault.error)
    }
}

/// The middle of a volume, LPS, mm.
pub fn middle<T>(volume: &Volume<T>) -> DVec3 {
    volume.lps_from_voxel.transform_point3(DVec3::from_array(volume.dims.map(|n| (n as f64 - 1.0) / 2.0)))
}

/// Colour of a label's contour.
pub fn colour(label: u8) -> [u8; 3] {
    CONTOURS[usize::from(label).wrapping_sub(1) % CONTOURS.len()]
}

/// A PNG file as a `data:` address.
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3, Vec3};

    /// Voxels of 1 × 1 × 2 mm that each hold their own number; `flip` turns the rows around, in the image and in its frame.
    fn numbered(flip: bool) -> Volume<i16> {
        let dims = [4, 3, 2];
        let step = if flip { -1.0 } else { 1.0 };
        let frame = DAffine3 {
            matrix3: DMat3::from_diagonal(DVec3::new(1.0, step, 2.0)),
            translation: DVec3::new(10.0, if flip { 2.0 } else { 0.0 }, -5.0),
        };
        let value = |n: usize| {
            let (i, j, k) = (n % 4, n / 4 % 3, n / 12);
            let j = if flip { 2 - j } else { j };
            (i + 4 * j + 12 * k) as i16
        };
        Volume { dims, lps_from_voxel: frame, voxels: (0..24).map(value).collect() }
    }

    fn greys(picture: &Picture, column: f64, row: f64) -> u8 {
        let at = (column * picture.width as f64) as usize + (row * picture.height as f64) as usize * picture.width;
        picture.rgb[3 * at]
    }

    #[test]
    fn a_picture_shows_known_voxels_in_their_places_whichever_way_the_image_lies() {
        let window = Window { level: 12.0, width: 24.0 };
        for flip in [false, true] {
            let volume = numbered(flip);
            let grey = |number: f64| window.grey(number);
            let axial = Picture::slice(&volume, None, Plane::Axial, DVec3::new(0.0, 0.0, -5.0), window);
            // the front right corner of the first slice, and the back left one
            assert_eq!((greys(&axial, 0.01, 0.01), greys(&axial, 0.99, 0.99)), (grey(0.0), grey(11.0)), "{flip}");
            let coronal = Picture::slice(&volume, None, Plane::Coronal, DVec3::new(0.0, 1.0, 0.0), window);
            // the head (the second slice) is above
            assert_eq!((greys(&coronal, 0.01, 0.01), greys(&coronal, 0.99, 0.99)), (grey(16.0), grey(7.0)), "{flip}");
            let sagittal = Picture::slice(&volume, None, Plane::Sagittal, DVec3::new(12.0, 0.0, 0.0), window);
            assert_eq!((greys(&sagittal, 0.01, 0.01), greys(&sagittal, 0.99, 0.99)), (grey(14.0), grey(10.0)), "{flip}");
            // 4 × 3 mm, 4 × 4 mm
            assert_eq!((axial.width * 3, coronal.width), (axial.height * 4, coronal.height));
        }
    }

    #[test]
    fn a_label_is_drawn_by_its_rim_and_a_png_reads_back() {
        let volume = numbered(false);
        let labels = Volume { dims: volume.dims, lps_from_voxel: volume.lps_from_voxel, voxels: vec![1; 24] };
        let picture = Picture::slice(&volume, Some(&labels), Plane::Axial, DVec3::new(0.0, 0.0, -5.0), Window::SOFT_TISSUE);
        assert_eq!(picture.rgb[..3], colour(1));
        assert_eq!(greys(&picture, 0.4, 0.4), Window::SOFT_TISSUE.grey(5.0));
        let bytes = picture.png();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().expect("a PNG");
        let mut rgb = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut rgb).expect("a frame");
        assert_eq!(rgb, picture.rgb);
        assert!(data_uri(b"foobar").ends_with(",Zm9vYmFy"));
    }

    /// A ball of 12 mm about (20, 16, 15) mm in voxels of 0.8 × 0.8 × 1 mm, and an octahedron-born ball mesh of 10 mm about the same place.
    #[test]
    fn the_line_of_a_ball_is_a_circle_about_its_centre_in_each_plane() {
        let centre = DVec3::new(20.0, 16.0, 15.0);
        let matrix3 = DMat3::from_diagonal(DVec3::new(0.8, -0.8, 1.0));
        let frame = DAffine3 { matrix3, translation: DVec3::new(0.0, 32.0, 0.0) };
        let volume = Volume { dims: [50, 41, 31], lps_from_voxel: frame, voxels: vec![0i16; 50 * 41 * 31] };
        let mut ball = TriMesh {
            vertices: [Vec3::X, Vec3::Y, Vec3::Z, Vec3::NEG_X, Vec3::NEG_Y, Vec3::NEG_Z].to_vec(),
            triangles: vec![[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]],
        };
        for _ in 0..5 {
            let TriMesh { mut vertices, triangles } = ball;
            let split = triangles.into_iter().flat_map(|[a, b, c]| {
                let first = vertices.len() as u32;
                let middle = |p: u32, q: u32| (vertices[p as usize] + vertices[q as usize]).normalize();
                let new = [middle(a, b), middle(b, c), middle(c, a)];
                vertices.extend(new);
                let [ab, bc, ca] = [0, 1, 2].map(|n| first + n);
                [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
            });
            let triangles = split.collect();
            ball = TriMesh { vertices, triangles };
        }
        ball.vertices.iter_mut().for_each(|v| *v = *v * 10.0 + centre.as_vec3());
        for (plane, offset) in [(Plane::Axial, DVec3::Z), (Plane::Coronal, DVec3::Y), (Plane::Sagittal, DVec3::X)] {
            for (off, radius) in [(0.0, 10.0), (6.0, 8.0), (10.5, 0.0)] {
                let sheet = Sheet::new(&volume, plane, centre + offset * off, 2.0);
                let mut picture = sheet.picture(&volume, None, Window { level: 0.0, width: 10.0 });
                sheet.outline(&ball, &mut picture);
                let pixels = (0..picture.width * picture.height).filter(|n| picture.rgb[3 * n..3 * n + 3] == SURFACE);
                let middle = centre + offset * off;
                let distances: Vec<f64> =
                    pixels.map(|n| sheet.lps_of(n % picture.width, n / picture.width).distance(middle)).collect();
                // a pixel's diagonal, and the facets' sag of some hundredths
                let slack = 0.75 * sheet.pixel_mm + 0.03;
                assert!(distances.iter().all(|d| (d - radius).abs() < slack), "{plane:?} {off}: {distances:?}");
                let around = 2.0 * std::f64::consts::PI * radius / sheet.pixel_mm;
                let count = distances.len() as f64;
                assert!((0.85 * around..=1.3 * around).contains(&count), "{plane:?} {off}: {count} pixels of {around}");
            }
        }
    }

    #[test]
    fn the_window_of_values_leaves_the_outliers_out() {
        let voxels: Vec<i16> = (0..1000).map(|n| if n == 999 { 30_000 } else { n }).collect();
        let volume = Volume { dims: [10, 10, 10], lps_from_voxel: DAffine3::IDENTITY, voxels };
        let window = Window::of_values(&volume);
        assert!((window.level - 500.0).abs() < 10.0 && (window.width - 980.0).abs() < 10.0, "{window:?}");
    }
}
