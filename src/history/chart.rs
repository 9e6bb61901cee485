//! Sizes over time as a step chart: in characters, and as SVG.
//!
//! Steps lie where their times are, but never closer than a gap: what was broken and repaired within
//! minutes must not vanish in a chart of months.

use std::fmt::Write;

use super::text::{grouped, signed};

/// A size from a moment on.
#[derive(Clone, Debug)]
pub struct Point {
    /// Microseconds since 1970.
    pub at: i64,
    /// That moment, for people.
    pub time: String,
    /// Bytes; none while there is nothing.
    pub size: i64,
    pub who: String,
    pub is_cliff: bool,
}

/// Where each point lies, from 0 to less than `width`.
#[expect(clippy::cast_precision_loss, reason = "places in a picture")]
fn places(points: &[Point], width: f64, gap: f64) -> Vec<f64> {
    let count = points.len() as f64;
    let first = points.first().map_or(0, |point| point.at);
    let span = points.last().map_or(0, |point| point.at - first).max(1) as f64;
    let gap = gap.min(width / count.max(1.0));
    let free = (width - count * gap).max(0.0);
    let place = |(index, point): (usize, &Point)| {
        index as f64 * gap + (point.at - first) as f64 / span * free
    };
    points.iter().enumerate().map(place).collect()
}

const HEIGHT: usize = 10;
const COLUMNS_BETWEEN: f64 = 6.0;

/// The chart in characters, `width` wide, with a line for each cliff below it.
#[must_use]
pub fn terminal(points: &[Point], width: usize) -> String {
    let most = points.iter().map(|point| point.size).max().unwrap_or(0).max(1);
    let margin = grouped(most).len() + 1;
    let columns = width.saturating_sub(margin + 2).max(20);
    let places = columns_of(points, columns);
    let mut grid = vec![vec![' '; columns]; HEIGHT];
    let mut level = None;
    for (column, index) in places.iter().enumerate() {
        let Some(index) = *index else { continue };
        let row = row_of(points[index].size, most);
        draw(&mut grid, column, level, row);
        level = Some(row);
    }
    let mut marks = vec![' '; columns];
    for (column, index) in places.iter().enumerate() {
        let begins = column == 0 || places[column - 1] != *index;
        if begins && index.is_some_and(|index| points[index].is_cliff) {
            marks[column] = '▼';
        }
    }
    let mut text = String::new();
    if marks.contains(&'▼') {
        let marks: String = marks.iter().collect();
        let _ = writeln!(text, "{:margin$} {}", "", marks.trim_end());
    }
    for (row, cells) in grid.iter().enumerate() {
        let label = match row {
            0 => grouped(most),
            _ if row == HEIGHT - 1 => "0".to_owned(),
            _ => String::new(),
        };
        let cells: String = cells.iter().collect();
        let _ = writeln!(text, "{label:>margin$}┤{}", cells.trim_end());
    }
    let _ = writeln!(text, "{:margin$}└{}", "", "─".repeat(columns));
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        let between = columns.saturating_sub(first.time.len() + last.time.len()).max(1);
        let _ = writeln!(text, "{:margin$} {}{:between$}{}", "", first.time, "", last.time);
    }
    for (before, point) in cliffs(points) {
        let _ = writeln!(text, "{}", told(before, point));
    }
    text
}

/// The point that holds at each column.
#[expect(clippy::cast_precision_loss, reason = "places in a picture")]
fn columns_of(points: &[Point], columns: usize) -> Vec<Option<usize>> {
    let places = places(points, columns as f64, COLUMNS_BETWEEN);
    let holds = |column: usize| places.iter().rposition(|place| *place < column as f64 + 1.0);
    (0..columns).map(holds).collect()
}

/// 0 is the top.
fn row_of(size: i64, most: i64) -> usize {
    let steps = i64::try_from(HEIGHT - 1).unwrap_or(1);
    let up = (size * steps + most / 2) / most;
    // What is small is not nothing.
    let up = if size > 0 { up.max(1) } else { up };
    usize::try_from(steps - up).unwrap_or(0)
}

fn draw(grid: &mut [Vec<char>], column: usize, from: Option<usize>, to: usize) {
    let Some(from) = from.filter(|from| *from != to) else {
        grid[to][column] = '─';
        return;
    };
    let down = to > from;
    for cells in &mut grid[from.min(to)..=from.max(to)] {
        cells[column] = '│';
    }
    grid[from][column] = if down { '┐' } else { '┘' };
    grid[to][column] = if down { '└' } else { '┌' };
}

/// The cliffs, each with the point before it.
fn cliffs(points: &[Point]) -> impl Iterator<Item = (&Point, &Point)> {
    points.windows(2).map(|pair| (&pair[0], &pair[1])).filter(|(_, point)| point.is_cliff)
}

fn told(before: &Point, cliff: &Point) -> String {
    format!(
        "▼ cliff: {} → {} bytes at {} by {}",
        grouped(before.size),
        grouped(cliff.size),
        cliff.time,
        cliff.who
    )
}

const PICTURE: (f64, f64) = (960.0, 420.0);
const LEFT: f64 = 80.0;
const RIGHT: f64 = 930.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 350.0;
const PIXELS_BETWEEN: f64 = 120.0;
/// More labels than these would cover each other.
const LABELS: usize = 8;

/// The chart as a picture of its own.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "places in a picture")]
pub fn svg(title: &str, points: &[Point]) -> String {
    let most = points.iter().map(|point| point.size).max().unwrap_or(0).max(1);
    let x: Vec<f64> =
        places(points, RIGHT - LEFT, PIXELS_BETWEEN).iter().map(|x| x + LEFT).collect();
    let y = |size: i64| BOTTOM - size as f64 / most as f64 * (BOTTOM - TOP);
    let (width, height) = PICTURE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"30\" font-size=\"17\">{}</text>\n\
         <path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" fill=\"none\" stroke=\"#888\"/>\n",
        escaped(title)
    );
    for size in [0, most] {
        let at = y(size) + 4.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{at:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            grouped(size)
        );
    }
    let mut line = String::new();
    for (index, point) in points.iter().enumerate() {
        let sign = if index == 0 { "M" } else { "H" };
        let height = y(point.size);
        match sign {
            "M" => write!(line, "M{:.1} {height:.1}", x[index]),
            _ => write!(line, "H{:.1}V{height:.1}", x[index]),
        }
        .unwrap_or_default();
    }
    let _ = write!(line, "H{RIGHT}");
    let _ =
        writeln!(svg, "<path d=\"{line}\" fill=\"none\" stroke=\"#1f5fbf\" stroke-width=\"2.5\"/>");
    let shown = |index: usize| {
        points.len() <= LABELS || index == 0 || index + 1 == points.len() || points[index].is_cliff
    };
    for (index, point) in points.iter().enumerate().filter(|(index, _)| shown(*index)) {
        labelled(&mut svg, x[index], y(point.size), points, index);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A dot, its size, who made it and when; a cliff in red, with the word.
fn labelled(svg: &mut String, x: f64, y: f64, points: &[Point], index: usize) {
    let point = &points[index];
    let colour = if point.is_cliff { "#c62828" } else { "#1f5fbf" };
    let before = index.checked_sub(1).map_or(0, |before| points[before].size);
    let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>");
    let mut lines = vec![grouped(point.size)];
    if point.is_cliff {
        lines.push(format!("cliff: {}", signed(point.size - before)));
    }
    for (row, text) in lines.iter().enumerate() {
        let at = y - 10.0 - 16.0 * f64::from(u32::try_from(lines.len() - 1 - row).unwrap_or(0));
        let bold = if point.is_cliff { " font-weight=\"bold\"" } else { "" };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{at:.1}\" fill=\"{colour}\"{bold}>{text}</text>",
            x + 4.0
        );
    }
    for (row, text) in [&point.who, &point.time].into_iter().enumerate() {
        let at = BOTTOM + 20.0 + 16.0 * f64::from(u32::try_from(row).unwrap_or(0));
        let text = shortened(text);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{at:.1}\" fill=\"#555\" font-size=\"11\">{}</text>",
            escaped(&text)
        );
    }
}

/// What fits below a step.
fn shortened(text: &str) -> String {
    const MOST: usize = 20;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}

/// Text within XML, which has no place for control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars().filter(|char| !char.is_control()) {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Vec<Point> {
        let point = |at, size, who: &str, is_cliff| Point {
            at,
            time: format!("2026-11-{at:02}"),
            size,
            who: who.into(),
            is_cliff,
        };
        vec![
            point(1, 7285, "session 1", false),
            point(25, 1509, "session <3>", true),
            point(26, 7285, "operator", false),
        ]
    }

    #[test]
    fn the_chart_of_the_report_shows_cliff_and_recovery() {
        insta::assert_snapshot!(terminal(&report(), 50), @r"
                                    ▼
 7,285┤─────────────────────────────┐      ┌─────
      ┤                             │      │
      ┤                             │      │
      ┤                             │      │
      ┤                             │      │
      ┤                             │      │
      ┤                             │      │
      ┤                             └──────┘
      ┤
     0┤
      └──────────────────────────────────────────
       2026-11-01                      2026-11-26
▼ cliff: 7,285 → 1,509 bytes at 2026-11-25 by session <3>
");
    }

    #[test]
    fn what_was_repaired_at_once_is_seen_among_months() {
        let mut points = report();
        points[2].at = points[1].at;
        let chart = terminal(&points, 60);
        assert!(chart.contains('┐') && chart.contains('┌'), "{chart}");
    }

    #[test]
    fn the_picture_is_xml_with_the_sizes_and_the_word() {
        let picture = svg("/crdts.md & more", &report());
        for part in ["7,285", "1,509", "cliff: -5,776", "session &lt;3&gt;", "/crdts.md &amp; more"]
        {
            assert!(picture.contains(part), "{part} in {picture}");
        }
        assert_eq!(picture.matches("<svg").count(), picture.matches("</svg>").count());
    }

    #[test]
    fn a_chart_of_little_or_much_is_drawn() {
        assert!(terminal(&[], 80).contains('└'));
        assert!(terminal(&report()[..1], 10).contains('─'));
        let many: Vec<_> = (0..5000).map(|at| Point { at, ..report()[0].clone() }).collect();
        assert!(terminal(&many, 80).lines().all(|line| line.chars().count() <= 80));
        assert!(svg("many", &many).len() < 200_000);
    }
}
