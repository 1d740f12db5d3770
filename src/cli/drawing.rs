//! What pictures of series are made of, as SVG in the colours of dark Grafana panels: `outrider plot` and the demo
//! (`examples/demo.rs`) draw with it.

use std::fmt::Write as _;

/// Of every picture, in pixels.
pub(crate) const WIDTH: f64 = 960.0;

/// Lines through the values.
pub(crate) const VALUES: &str = "#73bf69";

/// Where the values are drawn, in pixels from the upper left corner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

/// Where a point of the data lies in the picture.
#[derive(Debug)]
pub(crate) struct Scale {
    area: Area,
    pub(crate) from: i64,
    pub(crate) to: i64,
    low: f64,
    high: f64,
}

impl Scale {
    /// Leaves some room above and below the finite ones among `values`.
    pub(crate) fn new(
        area: Area,
        times: impl Iterator<Item = i64> + Clone,
        values: impl Iterator<Item = f64>,
    ) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        // Of gaps there is nothing to scale, and a constant has no range.
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let margin = if high > low { 0.05 * (high - low) } else { 0.5 * high.abs().max(1.0) };
        Self {
            area,
            from: times.clone().min().unwrap_or(0),
            to: times.max().unwrap_or(1),
            low: low - margin,
            high: high + margin,
        }
    }

    pub(crate) fn x(&self, time: i64) -> f64 {
        // Neither difference fits 64 bits for all times.
        let since = |from: i64, to: i64| i128::from(to) - i128::from(from);
        let (run, whole) = (since(self.from, time), since(self.from, self.to).max(1));
        self.area.left + (self.area.right - self.area.left) * run as f64 / whole as f64
    }

    /// Where a value is drawn; the band may leave the picture, and is cut at its edge.
    pub(crate) fn y(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.area.bottom - (self.area.bottom - self.area.top) * share
    }

    /// Five lines across, with what they stand for.
    pub(crate) fn draw_levels(&self, svg: &mut String) {
        for step in 0..=4 {
            let value = self.low + (self.high - self.low) * f64::from(step) / 4.0;
            self.draw_level(svg, self.y(value), &short(value, self.high - self.low));
        }
    }

    /// A line across, with what it stands for beside it.
    pub(crate) fn draw_level(&self, svg: &mut String, y: f64, text: &str) {
        let Area { left, right, .. } = self.area;
        put(
            svg,
            &format!(
                "<line x1=\"{left}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#2c3235\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#8e8e9a\" text-anchor=\"end\">{text}</text>",
                left - 6.0,
                y + 4.0
            ),
        );
    }

    /// Times in ms and how they are written, on one line.
    pub(crate) fn draw_times(&self, svg: &mut String, y: f64, times: &[(i64, String)]) {
        for (index, (time, text)) in times.iter().enumerate() {
            // The outermost would stick out of the picture.
            let anchor = match index {
                0 => "start",
                last if last + 1 == times.len() => "end",
                _ => "middle",
            };
            put(
                svg,
                &format!(
                    "<text x=\"{:.1}\" y=\"{y}\" fill=\"#8e8e9a\" text-anchor=\"{anchor}\">{text}</text>",
                    self.x(*time)
                ),
            );
        }
    }

    /// The normal band: time, lower and upper end of each point.
    pub(crate) fn draw_band(&self, svg: &mut String, band: &[(i64, f64, f64)]) {
        let upper = band.iter().map(|(time, _, upper)| (self.x(*time), self.y(*upper)));
        let lower = band.iter().rev().map(|(time, lower, _)| (self.x(*time), self.y(*lower)));
        put(
            svg,
            &format!(
                "<polygon points=\"{}\" fill=\"#5794f2\" fill-opacity=\"0.15\"/>",
                corners(upper.chain(lower))
            ),
        );
    }
}

/// Begins a document; `</svg>` is left to be put.
pub(crate) fn begin(svg: &mut String, height: f64, font_size: u32) {
    put(
        svg,
        &format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"Inter, Helvetica, Arial, sans-serif\" font-size=\"{font_size}\">"
        ),
    );
}

/// The ground that all else is drawn on, with a title of `font_size`.
pub(crate) fn draw_ground(svg: &mut String, height: f64, font_size: u32, title: &str) {
    put(svg, &format!("<rect width=\"{WIDTH}\" height=\"{height}\" rx=\"4\" fill=\"#181b1f\"/>"));
    let title = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    put(svg, &format!("<text x=\"16\" y=\"24\" fill=\"#ccccdc\" font-size=\"{font_size}\">{title}</text>"));
}

/// A line through points of the picture.
pub(crate) fn draw_line(svg: &mut String, colour: &str, points: impl Iterator<Item = (f64, f64)>) {
    put(
        svg,
        &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1\"/>",
            corners(points)
        ),
    );
}

/// The dot of an outlier.
pub(crate) fn draw_dot(svg: &mut String, radius: u32, x: f64, y: f64) {
    put(svg, &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"#f2495c\"/>"));
}

/// One line of the document.
pub(crate) fn put(svg: &mut String, element: &str) {
    svg.push_str(element);
    svg.push('\n');
}

fn corners(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut corners = String::new();
    for (x, y) in points {
        // Writing into a String cannot fail.
        let _ = write!(corners, "{x:.1},{y:.1} ");
    }
    corners.truncate(corners.trim_end().len());
    corners
}

/// A number with as many digits as an axis of length `range` needs.
fn short(value: f64, range: f64) -> String {
    if !(1e-3..1e6).contains(&range) {
        return format!("{value:.1e}");
    }
    let digits = (2.0 - range.log10().floor()).clamp(0.0, 5.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_an_axis_tell_its_steps_apart() {
        assert_eq!(short(1_234.5, 1_000.0), "1234");
        assert_eq!(short(0.125, 0.5), "0.125");
        assert_eq!(short(2e7, 4e7), "2.0e7");
    }

    #[test]
    fn times_are_written_where_they_are_and_the_outermost_towards_the_middle() {
        let area = Area { left: 50.0, right: 950.0, top: 40.0, bottom: 200.0 };
        let scale = Scale::new(area, [0, 10].into_iter(), [1.0, f64::NAN, 3.0].into_iter());
        let mut svg = String::new();
        scale.draw_times(&mut svg, 300.0, &[-1, 5, 10].map(|time| (time, format!("at {time}"))));
        // The first may lie before the first point.
        for (x, anchor, text) in [(-40, "start", "at -1"), (500, "middle", "at 5"), (950, "end", "at 10")] {
            let found = format!("x=\"{x}.0\" y=\"300\" fill=\"#8e8e9a\" text-anchor=\"{anchor}\">{text}<");
            assert!(svg.contains(&found), "{svg}");
        }
    }
}
