//! The picture: one large panel for the share of stake, three small ones for what weakens or buys protection.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::combinators::LogCoord;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, Color, DashedLineSeries, DrawingArea,
    IntoDrawingArea, IntoFont, IntoLogRange, LineSeries, PathElement, Polygon, RGBColor,
    SVGBackend, Text, TextStyle, WHITE,
};
use plotters::style::FontStyle;

use crate::study::{
    Kind, LADDER_SHARES, LAZY, Row, SAMPLED, Seating, Setting, THREE_OF_FIVE, TWO_OF_THREE,
    WEAK_SHARE,
};

const SIZE: (u32, u32) = (1600, 1330);
const INK: RGBColor = RGBColor(0x1F, 0x29, 0x37);
const MUTED: RGBColor = RGBColor(0x5B, 0x65, 0x73);
const PALE: RGBColor = RGBColor(0x95, 0x9E, 0xAB);
const GRID: RGBColor = RGBColor(0xE3, 0xE7, 0xEC);
// Told apart by the colour-blind too (Okabe and Ito).
const RED: RGBColor = RGBColor(0xB3, 0x26, 0x1E);
const ORANGE: RGBColor = RGBColor(0xD9, 0x82, 0x00);
const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
const GREEN: RGBColor = RGBColor(0x00, 0x8F, 0x68);
const BROWN: RGBColor = RGBColor(0x8A, 0x4B, 0x0F);
const PURPLE: RGBColor = RGBColor(0x8E, 0x4A, 0x9E);
const NORMAL: FontStyle = FontStyle::Normal;
const BOLD: FontStyle = FontStyle::Bold;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, LogCoord<f64>>>;
type Drawn<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;
type Points = Vec<(f64, f64)>;

/// How a curve is drawn.
#[derive(Clone, Copy)]
enum Line {
    Solid,
    Dashed,
    Dotted,
}

/// The picture as SVG text.
pub(crate) fn svg(rows: &[Row]) -> Drawn<String> {
    let mut text = String::new();
    draw(
        &SVGBackend::with_string(&mut text, SIZE).into_drawing_area(),
        rows,
    )?;
    Ok(text)
}

fn draw(root: &Area<'_>, rows: &[Row]) -> Drawn {
    root.fill(&WHITE)?;
    let (head, rest) = root.split_vertically(112);
    say(
        &head,
        (44, 28),
        "How often does a wrong result pass, when part of the stake colludes?",
        38,
        INK,
        BOLD,
    )?;
    let under = "One lease, 100 honest providers of equal stake. The colluders split theirs over 100 addresses \
                 and agree on one wrong result.";
    say(&head, (44, 78), under, 23, MUTED, NORMAL)?;
    let (main, small) = rest.split_vertically(740);
    by_share(&main, rows)?;
    let [left, middle, right] =
        <[Area<'_>; 3]>::try_from(small.split_evenly((1, 3))).map_err(|_| "three panels")?;
    by_presence(&left, rows)?;
    by_delay(&middle, rows)?;
    by_seats(&right, rows)?;
    root.present()?;
    Ok(())
}

/// The large panel: probability against the share of stake.
fn by_share(area: &Area<'_>, rows: &[Row]) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin_top(14)
        .margin_right(44)
        .margin_left(30)
        .margin_bottom(16)
        .x_label_area_size(72)
        .y_label_area_size(96)
        .build_cartesian_2d(0.0..60.0, (2e-4..2.0).log_scale())?;
    mesh(&mut chart, "share of all stake that colludes (%)", 13, 22)?;
    let first = |s: &Setting| s.seating == Seating::ColludersFirst && s.delay == 0 && s.draws == 1;
    let all = |s: &Setting| first(s) && s.present == 100;
    let x = |s: &Setting| s.share * 100.0;
    for (level, color) in [(TWO_OF_THREE, BLUE), (THREE_OF_FIVE, GREEN)] {
        let kind = Kind::Redundant(level);
        let worst = points(rows, x, |s| s.kind == kind && all(s));
        let fair = points(rows, x, |s| {
            s.kind == kind && s.seating == Seating::ByTicket
        });
        let band: Points = worst
            .iter()
            .copied()
            .chain(fair.iter().rev().copied())
            .collect();
        chart.draw_series([Polygon::new(band, color.mix(0.10))])?;
        curve(&mut chart, fair, color, Line::Dotted)?;
        curve(
            &mut chart,
            points(rows, x, |s| s.kind == kind && first(s) && s.present == 50),
            color,
            Line::Dashed,
        )?;
        curve(&mut chart, worst, color, Line::Solid)?;
    }
    for (wrong, color) in [(1, ORANGE), (LAZY, BROWN)] {
        curve(
            &mut chart,
            points(rows, x, |s| s.kind == Kind::Optimistic { wrong } && all(s)),
            color,
            Line::Solid,
        )?;
    }
    curve(&mut chart, vec![(0.0, 1.0), (60.0, 1.0)], RED, Line::Solid)?;
    for row in rows.iter().filter(|row| all(&row.setting)) {
        let color = match row.setting.kind {
            Kind::Redundant(TWO_OF_THREE) => BLUE,
            Kind::Redundant(THREE_OF_FIVE) => GREEN,
            Kind::Optimistic { wrong: 1 } => ORANGE,
            Kind::Optimistic { .. } => BROWN,
            Kind::Redundant(_) | Kind::Jury => continue,
        };
        whisker(&mut chart, row, color)?;
    }
    for (text, at, color) in [("3/2", (0.4, 0.0044), BLUE), ("5/3", (0.4, 0.00078), GREEN)] {
        chart.draw_series([Text::new(text, at, font(30, color, BOLD))])?;
    }
    let lines = [
        (
            RED,
            Line::Solid,
            "seats not drawn, any N/Q: the quicker take them all".to_owned(),
        ),
        (
            ORANGE,
            Line::Solid,
            format!(
                "1/1, watchers re-run {:.0} % of tasks: one task is wrong",
                SAMPLED * 100.0
            ),
        ),
        (
            BROWN,
            Line::Solid,
            format!("1/1, the same watchers: all {LAZY} tasks of a lease are wrong"),
        ),
        (
            BLUE,
            Line::Solid,
            "3/2, seats drawn, colluders first at every step".to_owned(),
        ),
        (
            GREEN,
            Line::Solid,
            "5/3, seats drawn, colluders first at every step".to_owned(),
        ),
        (
            MUTED,
            Line::Dashed,
            "the same, while half of the honest stake is absent".to_owned(),
        ),
        (
            MUTED,
            Line::Dotted,
            "the same, if nobody is quicker: binomial tail of N and share".to_owned(),
        ),
    ];
    let (x, mut y) = (820, 356);
    for (color, line, text) in lines {
        sample(area, (x, y), color, line)?;
        say(area, (x + 70, y - 8), &text, 22, INK, NORMAL)?;
        y += 34;
    }
    area.draw(&PathElement::new(
        [(x + 28, y - 11), (x + 28, y + 11)],
        MUTED.stroke_width(2),
    ))?;
    area.draw(&Circle::new((x + 28, y), 5, WHITE.filled()))?;
    area.draw(&Circle::new((x + 28, y), 5, MUTED.stroke_width(2)))?;
    say(
        area,
        (x + 70, y - 8),
        "Monte Carlo with its 95 % interval; lines are exact",
        22,
        INK,
        NORMAL,
    )
}

/// Honest providers stay away.
fn by_presence(area: &Area<'_>, rows: &[Row]) -> Drawn {
    let under = format!(
        "{:.0} % of stake colludes; the rest is partly absent",
        WEAK_SHARE * 100.0
    );
    let mut chart = panel(area, "Absent honest stake", &under, 0.0..100.0)?;
    mesh(&mut chart, "honest stake that takes part (%)", 6, 19)?;
    let x = |s: &Setting| f64::from(s.present);
    weaknesses(&mut chart, rows, x, |s| s.delay == 0)?;
    for (text, at, color) in [
        ("3/2", (83.0, 0.14), BLUE),
        ("5/3", (74.0, 0.028), GREEN),
        ("jury", (22.0, 0.62), PURPLE),
    ] {
        chart.draw_series([Text::new(text, at, font(22, color, BOLD))])?;
    }
    Ok(())
}

/// Seats are taken late, when chances have grown.
fn by_delay(area: &Area<'_>, rows: &[Row]) -> Drawn {
    let under = format!(
        "{:.0} % of stake colludes; chances double every 15 s",
        WEAK_SHARE * 100.0
    );
    let mut chart = panel(area, "Seats that are taken late", &under, 0.0..90.0)?;
    mesh(
        &mut chart,
        "seconds from the draw to the first seat taken",
        7,
        19,
    )?;
    weaknesses(
        &mut chart,
        rows,
        |s| f64::from(s.seconds()),
        |s| s.present == 100,
    )?;
    let jury = "jury: growth stops at 4x";
    for (text, at, color) in [
        ("3/2", (4.0, 0.16), BLUE),
        ("5/3", (16.0, 0.055), GREEN),
        (jury, (37.0, 0.26), PURPLE),
    ] {
        chart.draw_series([Text::new(text, at, font(22, color, BOLD))])?;
    }
    Ok(())
}

/// The lines of 3/2, 5/3 and a jury against one weakness of the market.
fn weaknesses(
    chart: &mut Chart<'_, '_>,
    rows: &[Row],
    x: impl Fn(&Setting) -> f64 + Copy,
    pick: impl Fn(&Setting) -> bool,
) -> Drawn {
    let weak = |s: &Setting| {
        s.seating == Seating::ColludersFirst && s.share == WEAK_SHARE && s.draws == 1 && pick(s)
    };
    let kinds = [
        (Kind::Jury, PURPLE),
        (Kind::Redundant(TWO_OF_THREE), BLUE),
        (Kind::Redundant(THREE_OF_FIVE), GREEN),
    ];
    for (kind, color) in kinds {
        let mut line = points(rows, x, |s| s.kind == kind && weak(s));
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        chart.draw_series(line.iter().map(|&at| Circle::new(at, 4, color.filled())))?;
        curve(chart, line, color, Line::Solid)?;
    }
    Ok(())
}

/// What each further seat buys, and costs.
fn by_seats(area: &Area<'_>, rows: &[Row]) -> Drawn {
    let mut chart = panel(
        area,
        "What replication buys",
        "drawn seats; curves: share that colludes",
        0.0..18.0,
    )?;
    mesh(&mut chart, "runs paid per task (N of N/Q)", 9, 19)?;
    let plain = |s: &Setting| {
        s.seating == Seating::ColludersFirst && s.present == 100 && s.delay == 0 && s.draws == 1
    };
    let seats = |s: &Setting| match s.kind {
        Kind::Redundant(level) => f64::from(level.seats),
        Kind::Optimistic { .. } | Kind::Jury => 1.0,
    };
    for (share, color) in LADDER_SHARES.into_iter().zip([PALE, MUTED, INK]) {
        let mut line = points(rows, seats, |s| {
            matches!(s.kind, Kind::Redundant(_)) && plain(s) && s.share == share
        });
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(&(x, y)) = line.last() {
            let label = format!("{:.0} %", share * 100.0);
            chart.draw_series([Text::new(label, (x + 0.4, y * 1.3), font(22, color, BOLD))])?;
        }
        chart.draw_series(line.iter().map(|&at| Circle::new(at, 4, color.filled())))?;
        curve(&mut chart, line, color, Line::Solid)?;
    }
    let watched = points(rows, seats, |s| {
        s.kind == Kind::Optimistic { wrong: 1 } && plain(s) && s.share == WEAK_SHARE
    });
    chart.draw_series(
        watched
            .into_iter()
            .map(|at| Circle::new(at, 6, ORANGE.filled())),
    )?;
    chart.draw_series([Text::new("1/1", (0.3, 0.55), font(22, ORANGE, BOLD))])?;
    Ok(())
}

/// The rows that are picked, as points; a logarithm has no place for zero.
fn points(rows: &[Row], x: impl Fn(&Setting) -> f64, pick: impl Fn(&Setting) -> bool) -> Points {
    rows.iter()
        .filter(|row| row.exact > 0.0 && pick(&row.setting))
        .map(|row| (x(&row.setting), row.exact))
        .collect()
}

fn curve(chart: &mut Chart<'_, '_>, points: Points, color: RGBColor, line: Line) -> Drawn {
    match line {
        Line::Solid => chart.draw_series(LineSeries::new(points, color.stroke_width(4)))?,
        Line::Dashed => {
            chart.draw_series(DashedLineSeries::new(points, 13, 8, color.stroke_width(3)))?
        }
        Line::Dotted => {
            chart.draw_series(DashedLineSeries::new(points, 3, 6, color.stroke_width(3)))?
        }
    };
    Ok(())
}

/// A piece of a line, for the legend.
fn sample(area: &Area<'_>, (x, y): (i32, i32), color: RGBColor, line: Line) -> Drawn {
    let (dash, gap, width) = match line {
        Line::Solid => (56, 1, 4),
        Line::Dashed => (13, 8, 3),
        Line::Dotted => (3, 6, 3),
    };
    let starts = (0..)
        .map(|i| i * (dash + gap))
        .take_while(|start| start + dash <= 56);
    for start in starts {
        area.draw(&PathElement::new(
            [(x + start, y), (x + start + dash, y)],
            color.stroke_width(width),
        ))?;
    }
    Ok(())
}

/// A Monte Carlo figure and its 95 % interval.
fn whisker(chart: &mut Chart<'_, '_>, row: &Row, color: RGBColor) -> Drawn {
    let Some(counted) = row.counted.filter(|counted| counted.hits > 0) else {
        return Ok(());
    };
    let x = row.setting.share * 100.0;
    let (low, high) = counted.interval(1.96);
    chart.draw_series([PathElement::new(
        vec![(x, low), (x, high)],
        color.stroke_width(2),
    )])?;
    chart.draw_series([Circle::new((x, counted.mean()), 5, WHITE.filled())])?;
    chart.draw_series([Circle::new((x, counted.mean()), 5, color.stroke_width(2))])?;
    Ok(())
}

/// A small panel with its title.
fn panel<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
    under: &str,
    x: Range<f64>,
) -> Drawn<Chart<'a, 'b>> {
    say(area, (44, 6), title, 26, INK, BOLD)?;
    say(area, (44, 38), under, 20, MUTED, NORMAL)?;
    Ok(ChartBuilder::on(area)
        .margin_top(72)
        .margin_right(26)
        .margin_left(30)
        .margin_bottom(16)
        .x_label_area_size(60)
        .y_label_area_size(76)
        .build_cartesian_2d(x, (3e-4..1.4).log_scale())?)
}

fn mesh(chart: &mut Chart<'_, '_>, x: &str, x_labels: usize, size: i32) -> Drawn {
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc("wrong result accepted (%)")
        .x_labels(x_labels)
        .y_labels(6)
        .max_light_lines(1)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{}", (y * 1e6).round() / 1e4))
        .bold_line_style(GRID.stroke_width(1))
        .light_line_style(WHITE.mix(0.0))
        .axis_style(MUTED.stroke_width(1))
        .label_style(font(size, INK, NORMAL))
        .axis_desc_style(font(size, INK, NORMAL))
        .draw()?;
    Ok(())
}

fn font(size: i32, color: RGBColor, style: FontStyle) -> TextStyle<'static> {
    ("sans-serif", size).into_font().style(style).color(&color)
}

/// Writes at a pixel of the area.
fn say(
    area: &Area<'_>,
    at: (i32, i32),
    text: &str,
    size: i32,
    color: RGBColor,
    style: FontStyle,
) -> Drawn {
    area.draw(&Text::new(text, at, font(size, color, style)))?;
    Ok(())
}
