//! The demo's picture: values, band and outliers in the colours of dark Grafana panels, as SVG.

use std::fmt::Write as _;

use crate::Point;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 28.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 28.0;

/// Room between two panels.
const GAP: f64 = 12.0;

/// What one panel shows.
pub(crate) struct Panel {
    pub(crate) title: String,
    /// Times to mark, in ms, and how they are written.
    pub(crate) times: Vec<(i64, String)>,
    /// At least one.
    pub(crate) points: Vec<Point>,
}

/// Where a point of the data lies in the picture.
struct Scale {
    from: i64,
    to: i64,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(points: &[Point]) -> Self {
        let all = || points.iter().flat_map(|p| [Some(p.value), p.lower, p.upper]).flatten();
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let margin = 0.05 * (high - low).max(f64::MIN_POSITIVE);
        Self {
            from: points.first().map_or(0, |point| point.time),
            to: points.last().map_or(1, |point| point.time),
            low: low - margin,
            high: high + margin,
        }
    }

    fn x(&self, time: i64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (time - self.from) as f64 / (self.to - self.from).max(1) as f64
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)
    }
}

/// Draws panels below each other, as an SVG document.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let height = (HEIGHT + GAP) * panels.len() as f64 - GAP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"Inter, Helvetica, Arial, sans-serif\" font-size=\"12\">\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        // Writing into a String cannot fail.
        let _ = writeln!(svg, "<g transform=\"translate(0 {})\">", (HEIGHT + GAP) * index as f64);
        draw_panel(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_panel(svg: &mut String, panel: &Panel) {
    let (points, scale) = (&panel.points, Scale::of(&panel.points));
    let _ = writeln!(
        svg,
        "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\" fill=\"#181b1f\"/>\n\
         <text x=\"16\" y=\"24\" fill=\"#ccccdc\" font-size=\"14\" font-weight=\"500\">{}</text>",
        panel.title
    );
    grid(svg, &scale, &panel.times);
    band(svg, &scale, points);
    let line: Vec<String> = points
        .iter()
        .map(|point| format!("{:.1},{:.1}", scale.x(point.time), scale.y(point.value)))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#73bf69\" stroke-width=\"1\"/>",
        line.join(" ")
    );
    for point in points.iter().filter(|point| point.flagged) {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#f2495c\"/>",
            scale.x(point.time),
            scale.y(point.value)
        );
    }
}

fn grid(svg: &mut String, scale: &Scale, times: &[(i64, String)]) {
    for step in 0..=4 {
        let value = scale.low + (scale.high - scale.low) * f64::from(step) / 4.0;
        let y = scale.y(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#2c3235\"/>\
             <text x=\"{}\" y=\"{:.1}\" fill=\"#8e8e9a\" text-anchor=\"end\">{value:.0}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0
        );
    }
    for (index, (time, text)) in times.iter().enumerate() {
        // The outermost would stick out of the picture.
        let anchor = match index {
            0 => "start",
            last if last + 1 == times.len() => "end",
            _ => "middle",
        };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" fill=\"#8e8e9a\" text-anchor=\"{anchor}\">{}</text>",
            scale.x(*time),
            HEIGHT - 8.0,
            text
        );
    }
}

/// The normal band, where a point has both ends of it.
fn band(svg: &mut String, scale: &Scale, points: &[Point]) {
    let edge = |time: i64, value: f64| format!("{:.1},{:.1}", scale.x(time), scale.y(value));
    let upper = points.iter().filter_map(|point| Some(edge(point.time, point.upper?)));
    let lower = points.iter().rev().filter_map(|point| Some(edge(point.time, point.lower?)));
    let outline: Vec<String> = upper.chain(lower).collect();
    let _ =
        writeln!(svg, "<polygon points=\"{}\" fill=\"#5794f2\" fill-opacity=\"0.15\"/>", outline.join(" "));
}
