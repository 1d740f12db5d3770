//! The demo's picture: values, band and outliers of each look, one below the other.

use crate::Point;
use crate::drawing::{self, Area, Scale, WIDTH};

const HEIGHT: f64 = 320.0;
const AREA: Area = Area { left: 44.0, right: WIDTH - 28.0, top: 40.0, bottom: HEIGHT - 28.0 };

/// Room between two panels.
const GAP: f64 = 12.0;

/// What one panel shows.
pub(crate) struct Panel {
    pub(crate) title: String,
    /// Times to mark, in ms, and how they are written.
    pub(crate) times: Vec<(i64, String)>,
    pub(crate) points: Vec<Point>,
}

/// Draws panels below each other, as an SVG document.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let mut picture = String::new();
    drawing::begin(&mut picture, (HEIGHT + GAP) * panels.len() as f64 - GAP, 12);
    for (index, panel) in panels.iter().enumerate() {
        let top = (HEIGHT + GAP) * index as f64;
        drawing::put(&mut picture, &format!("<g transform=\"translate(0 {top})\">"));
        draw_panel(&mut picture, panel);
        drawing::put(&mut picture, "</g>");
    }
    drawing::put(&mut picture, "</svg>");
    picture
}

fn draw_panel(picture: &mut String, panel: &Panel) {
    let points = &panel.points;
    let values = points.iter().flat_map(|point| [Some(point.value), point.lower, point.upper]).flatten();
    let scale = Scale::new(AREA, points.iter().map(|point| point.time), values);
    drawing::draw_ground(picture, HEIGHT, 14, &panel.title);
    scale.draw_levels(picture);
    scale.draw_times(picture, HEIGHT - 8.0, &panel.times);
    let band = points.iter().filter_map(|point| Some((point.time, point.lower?, point.upper?)));
    scale.draw_band(picture, &band.collect::<Vec<_>>());
    let place = |point: &Point| (scale.x(point.time), scale.y(point.value));
    drawing::draw_line(picture, drawing::VALUES, points.iter().map(place));
    for (x, y) in points.iter().filter(|point| point.flagged).map(place) {
        drawing::draw_dot(picture, 4, x, y);
    }
}
