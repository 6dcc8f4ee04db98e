//! How a chart looks: SVG that stands alone, is small, and can be read on a light and on a dark page.
//!
//! Text and axes take their colour from the reader's preference, by a style in the file itself, so it also works in an
//! `<img>`. Every mark has a `<title>`, which a browser shows when it is pointed at.

use std::fmt::Write;

use super::palette::{colour, place};
use super::{number, thousands};

/// One engine in a chart of lines.
pub struct Line<'a> {
    pub engine: &'a str,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// One engine in a chart of bars.
pub struct Bar<'a> {
    pub engine: &'a str,
    pub value: f64,
    /// The least and the most.
    pub spread: Option<(f64, f64)>,
    /// To wakeful.
    pub ratio: Option<f64>,
}

/// One row of dots.
pub struct Row<'a> {
    pub name: String,
    pub dots: Vec<(&'a str, f64)>,
}

pub struct Axis<'a> {
    pub label: &'a str,
    pub ticks: Vec<(f64, String)>,
}

const WIDTH: f64 = 640.0;
const FONT: f64 = 12.0;

const STYLE: &str = "\
.bench{font:12px system-ui,-apple-system,'Segoe UI',sans-serif}\
.bench .ink{fill:#1f2328}.bench .dim{fill:#59636e}\
.bench .head{font-weight:600;font-size:15px}\
.bench .rule{stroke:#59636e;stroke-opacity:.25}.bench .base{stroke:#59636e}\
.bench .range{stroke:#1f2328;stroke-opacity:.75}\
@media(prefers-color-scheme:dark){\
.bench .ink{fill:#e6edf3}.bench .dim{fill:#9aa4af}\
.bench .rule,.bench .base{stroke:#9aa4af}.bench .range{stroke:#e6edf3}}";

/// Lines over counts or shares. `unit` says what the values are.
pub fn lines(title: &str, unit: &str, x_axis: &Axis, lines: &[Line]) -> String {
    let names: Vec<_> = lines.iter().map(|line| line.engine).collect();
    let (legend, top) = legend(&names, 60.0);
    let (left, right, bottom, height) = (70.0, WIDTH - 22.0, 330.0 + top, 380.0 + top);
    let values = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|point| point.1));
    let scale = Scale::new(values, bottom, top + 12.0);
    let xs = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|point| point.0));
    let xs = xs.chain(x_axis.ticks.iter().map(|tick| tick.0));
    let first = xs.clone().fold(f64::INFINITY, f64::min);
    let last = xs.fold(f64::NEG_INFINITY, f64::max);
    let margin = 18.0;
    let x = |value: f64| {
        let share = (value - first) / (last - first).max(f64::MIN_POSITIVE);
        left + margin + share * (right - left - 2.0 * margin)
    };

    let kind = if scale.is_log { "; logarithmic" } else { "" };
    let mut svg = begin(title, &format!("{}{kind}", with_direction(unit)), height);
    svg += &legend;
    for tick in scale.ticks() {
        let y = scale.place(tick);
        rule(&mut svg, "rule", (left, y), (right, y));
        text(&mut svg, "dim", "end", (left - 8.0, y + 4.0), &short(tick));
    }
    rule(&mut svg, "base", (left, bottom), (right, bottom));
    for (value, name) in &x_axis.ticks {
        rule(
            &mut svg,
            "base",
            (x(*value), bottom),
            (x(*value), bottom + 5.0),
        );
        text(&mut svg, "dim", "middle", (x(*value), bottom + 19.0), name);
    }
    let middle = (left + right) / 2.0;
    text(
        &mut svg,
        "dim",
        "middle",
        (middle, bottom + 39.0),
        x_axis.label,
    );
    // Ours is drawn last, on top of the others.
    for line in lines.iter().rev() {
        let ours = line.engine == "wakeful";
        let colour = colour(line.engine);
        let points: Vec<_> = line
            .points
            .iter()
            .map(|&(at, v)| (x(at), scale.place(v)))
            .collect();
        let path: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = write!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\"{}/>",
            path.join(" "),
            if ours { 3.0 } else { 1.8 },
            dashes(line.engine),
        );
        // A curve of many points needs no marks.
        if line.points.len() <= 8 {
            for (&(x, y), &(_, value)) in points.iter().zip(&line.points) {
                let _ = write!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\" fill=\"{colour}\"><title>{} {}</title></circle>",
                    if ours { 4.5 } else { 3.2 },
                    line.engine,
                    number(value),
                );
            }
        }
    }
    svg + "</svg>"
}

/// A bar for each engine, with the spread of its rounds.
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    let (left, step, top) = (108.0, 22.0, 58.0);
    let height = top + step * bars.len() as f64 + 10.0;
    // Room for the numbers.
    let right = WIDTH - 150.0;
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let x = |value: f64| {
        let share = if most > 0.0 { value / most } else { 0.0 };
        left + share * (right - left)
    };
    let mut svg = begin(title, &with_direction(unit), height);
    for (number_of, bar) in bars.iter().enumerate() {
        let y = top + step * number_of as f64;
        let middle = y + 9.0;
        text(
            &mut svg,
            "ink",
            "end",
            (left - 8.0, middle + 4.0),
            bar.engine,
        );
        let _ = write!(
            svg,
            "<rect x=\"{left}\" y=\"{y}\" width=\"{:.1}\" height=\"17\" rx=\"2\" fill=\"{}\"/>",
            (x(bar.value) - left).max(1.0),
            colour(bar.engine),
        );
        let mut end = x(bar.value);
        if let Some((least, most)) = bar.spread {
            // What is off the chart is cut off; the table has it.
            let (from, to) = (x(least).min(right + 20.0), x(most).min(right + 20.0));
            if to - from > 1.0 {
                rule(&mut svg, "range", (from, middle), (to, middle));
                for at in [from, to] {
                    rule(&mut svg, "range", (at, middle - 3.5), (at, middle + 3.5));
                }
            }
            end = end.max(to);
        }
        let value = number(bar.value);
        text(&mut svg, "ink", "start", (end + 7.0, middle + 4.0), &value);
        if let Some(ratio) = bar.ratio.filter(|_| bar.engine != "wakeful") {
            let ratio = format!("{} x", number(ratio));
            let at = (end + 15.0 + width(&value), middle + 4.0);
            text(&mut svg, "dim", "start", at, &ratio);
        }
    }
    rule(&mut svg, "base", (left, top - 4.0), (left, height - 8.0));
    svg + "</svg>"
}

/// Ratios to wakeful: a row for each case, a dot for each engine.
pub fn dots(title: &str, about: &str, rows: &[Row]) -> String {
    let mut names: Vec<_> = rows
        .iter()
        .flat_map(|row| row.dots.iter().map(|dot| dot.0))
        .collect();
    names.sort_by_key(|name| place(name));
    names.dedup();
    let (legend, top) = legend(&names, 60.0);
    let longest = rows.iter().map(|row| width(&row.name)).fold(0.0, f64::max);
    let (left, step) = (longest + 18.0, 26.0);
    let bottom = top + 26.0 + step * rows.len() as f64;
    let ratios = rows.iter().flat_map(|row| row.dots.iter().map(|dot| dot.1));
    let least = ratios.clone().fold(1.0, f64::min).max(0.2) / 1.15;
    let most = ratios.fold(1.0, f64::max).min(6.0) * 1.15;
    // What is off the chart is told beside it.
    let is_off = |row: &Row| row.dots.iter().any(|dot| dot.1 > most);
    let right = WIDTH - if rows.iter().any(is_off) { 110.0 } else { 22.0 };
    let x = |ratio: f64| {
        let share = (ratio.clamp(least, most) / least).ln() / (most / least).ln();
        left + share * (right - left)
    };
    let mut svg = begin(title, about, bottom + 28.0);
    svg += &legend;
    let mut taken = f64::NEG_INFINITY;
    for tick in [
        0.1, 0.2, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0,
    ] {
        if tick < least || tick > most {
            continue;
        }
        let class = if tick == 1.0 { "base" } else { "rule" };
        rule(&mut svg, class, (x(tick), top + 12.0), (x(tick), bottom));
        let has_room = x(tick) - taken > 34.0 && (tick >= 1.0 || x(1.0) - x(tick) > 34.0);
        if has_room {
            taken = x(tick);
            text(
                &mut svg,
                "dim",
                "middle",
                (x(tick), bottom + 17.0),
                &format!("{tick} x"),
            );
        }
    }
    for (number_of, row) in rows.iter().enumerate() {
        let y = top + 26.0 + step * number_of as f64;
        text(&mut svg, "ink", "end", (left - 10.0, y + 4.0), &row.name);
        let places: Vec<_> = row.dots.iter().map(|dot| x(dot.1)).collect();
        for (&(engine, ratio), (x, lane)) in row.dots.iter().zip(lanes(&places)) {
            let y = y + lane;
            let (colour, ratio_text) = (colour(engine), number(ratio));
            // Off the chart: an arrow's head instead of a dot.
            let mark = if ratio > most || ratio < least {
                let tip = if ratio > most { 8.0 } else { -8.0 };
                let back = x - tip;
                let (above, below) = (y - 4.0, y + 4.0);
                format!("<polygon points=\"{back:.1},{above} {x:.1},{y} {back:.1},{below}\"")
            } else {
                format!("<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"4\"")
            };
            let _ = write!(
                svg,
                "{mark} fill=\"{colour}\"><title>{engine} {ratio_text} x</title></{}>",
                if mark.starts_with("<c") {
                    "circle"
                } else {
                    "polygon"
                },
            );
        }
        let farthest = row.dots.iter().map(|dot| dot.1).fold(0.0, f64::max);
        if farthest > most {
            let farthest = format!("up to {} x", number(farthest));
            text(&mut svg, "dim", "start", (right + 8.0, y + 4.0), &farthest);
        }
    }
    svg + "</svg>"
}

/// Dots that would hide each other move up or down a little: places, and by how much.
fn lanes(places: &[f64]) -> Vec<(f64, f64)> {
    let mut put: Vec<(f64, f64)> = Vec::new();
    for &x in places {
        let is_free = |lane: &f64| {
            !put.iter()
                .any(|&(at, other)| (at - x).abs() < 8.0 && other == *lane)
        };
        let lane = [0.0, -7.0, 7.0].into_iter().find(is_free);
        put.push((x, lane.unwrap_or(0.0)));
    }
    put
}

/// The unit, and which direction is the good one, unless it says so itself.
fn with_direction(unit: &str) -> String {
    match (unit.contains("better"), unit.contains("/s")) {
        (true, _) => unit.to_owned(),
        (false, true) => format!("{unit}; more is better"),
        (false, false) => format!("{unit}; less is better"),
    }
}

/// Where values stand between two heights.
struct Scale {
    is_log: bool,
    least: f64,
    most: f64,
    bottom: f64,
    top: f64,
}

impl Scale {
    fn new(values: impl Iterator<Item = f64> + Clone, bottom: f64, top: f64) -> Self {
        let most = values.clone().fold(0.0, f64::max);
        let least = values
            .filter(|&value| value > 0.0)
            .fold(f64::INFINITY, f64::min);
        let is_log = most / least > 12.0;
        let (least, most) = match is_log {
            true => (least / 1.3, most * 1.3),
            false => (0.0, most * 1.08),
        };
        Self {
            is_log,
            least,
            most,
            bottom,
            top,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = match self.is_log {
            true => (value.max(self.least) / self.least).ln() / (self.most / self.least).ln(),
            false => value / self.most.max(f64::MIN_POSITIVE),
        };
        self.bottom - share * (self.bottom - self.top)
    }

    fn ticks(&self) -> Vec<f64> {
        if !self.is_log {
            let step = nice(self.most / 6.0);
            let steps = (self.most / step).floor() as i32;
            return (0..=steps).map(|tick| f64::from(tick) * step).collect();
        }
        let decades = (self.most / self.least).log10();
        let between: &[f64] = match decades {
            d if d < 2.0 => &[1.0, 2.0, 5.0],
            d if d < 3.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = self.least.log10().floor() as i32..=self.most.log10().ceil() as i32;
        let all = powers.flat_map(|power| between.iter().map(move |by| by * 10f64.powi(power)));
        all.filter(|tick| (self.least..=self.most).contains(tick))
            .collect()
    }
}

/// 1, 2 or 5 times a power of ten, not less than that.
fn nice(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let by = [1.0, 2.0, 5.0].into_iter().find(|by| by * power >= step);
    by.unwrap_or(10.0) * power
}

/// A number at an axis.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{} M", (value / 1e5).round() / 10.0),
        size if size >= 1e3 => thousands(value.round() as i64),
        _ => format!("{}", (value * 1e4).round() / 1e4),
    }
}

fn begin(title: &str, about: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"bench\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\"><style>{STYLE}</style>"
    );
    text(&mut svg, "ink head", "start", (12.0, 22.0), title);
    text(&mut svg, "dim", "start", (12.0, 42.0), about);
    svg
}

/// The names in as many rows as they need, and where the chart may begin.
fn legend(names: &[&str], top: f64) -> (String, f64) {
    let mut svg = String::new();
    let (mut x, mut y) = (14.0, top);
    for name in names {
        let wide = 40.0 + width(name);
        if x + wide > WIDTH {
            (x, y) = (14.0, y + 19.0);
        }
        let _ = write!(
            svg,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{}\" stroke-width=\"4\"{}/>",
            x + 18.0,
            colour(name),
            dashes(name),
        );
        text(&mut svg, "ink", "start", (x + 23.0, y + 4.0), name);
        x += wide;
    }
    (svg, y + 8.0)
}

/// What is not a library of its own is dashed: variants of ours, and floors.
fn dashes(engine: &str) -> &'static str {
    match engine {
        "epoll" | "io-uring" | "wakeful-spin" | "wakeful-poll" | "wakeful-short" => {
            " stroke-dasharray=\"5 3\""
        }
        _ => "",
    }
}

/// About how wide a text is.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * FONT * 0.56
}

fn rule(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = write!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
    let _ = write!(
        svg,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escaped(text)
    );
}

pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_ticks_within_it() {
        for values in [[0.3, 2.0], [1.0, 5_000.0], [700.0, 900.0]] {
            let scale = Scale::new(values.into_iter(), 100.0, 0.0);
            let ticks = scale.ticks();
            assert!(ticks.len() >= 3, "{values:?}: {ticks:?}");
            assert!(ticks
                .iter()
                .all(|&tick| (0.0..=100.1).contains(&scale.place(tick))));
        }
    }

    #[test]
    fn text_cannot_end_an_element() {
        assert_eq!(escaped("a < b & c"), "a &lt; b &amp; c");
    }
}
