//! A picture of one question: lines over a share, with their names beside them.

use std::error::Error;

use plotters::prelude::{
    ChartBuilder, Color, DashedLineSeries, IntoDrawingArea, IntoFont, LineSeries, PathElement,
    RGBColor, SVGBackend, Text, TextStyle, WHITE,
};
use plotters::style::FontStyle;

const SIZE: (u32, u32) = (1400, 660);
/// Where the names stand.
const NAMES: u32 = 940;
const INK: RGBColor = RGBColor(0x1F, 0x29, 0x37);
const MUTED: RGBColor = RGBColor(0x5B, 0x65, 0x73);
const GRID: RGBColor = RGBColor(0xE3, 0xE7, 0xEC);
/// Told apart by the colour-blind too (Okabe and Ito).
const COLORS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xB3, 0x26, 0x1E),
    RGBColor(0x00, 0x8F, 0x68),
    RGBColor(0xD9, 0x82, 0x00),
    RGBColor(0x8E, 0x4A, 0x9E),
    RGBColor(0x8A, 0x4B, 0x0F),
    RGBColor(0x5B, 0x65, 0x73),
];

/// A line.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) dashed: bool,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A picture.
pub(crate) struct Chart {
    /// The name of its file, without its ending.
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    pub(crate) under: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// The upper end of the y axis.
    pub(crate) top: f64,
    pub(crate) lines: Vec<Line>,
}

impl Chart {
    /// The picture as SVG text.
    pub(crate) fn svg(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let mut text = String::new();
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw(&Text::new(
            self.title,
            (40, 24),
            font(32, INK, FontStyle::Bold),
        ))?;
        root.draw(&Text::new(
            self.under.clone(),
            (40, 66),
            font(20, MUTED, FontStyle::Normal),
        ))?;
        let right = self.lines.iter().flat_map(|line| &line.points);
        let right = right.fold(0.0, |right, point| f64::max(right, point.0));
        let mut chart = ChartBuilder::on(&root)
            .margin_top(104)
            .margin_right(SIZE.0 - NAMES + 20)
            .margin_left(24)
            .margin_bottom(16)
            .x_label_area_size(62)
            .y_label_area_size(82)
            .build_cartesian_2d(0.0..right, 0.0..self.top)?;
        let plain = font(19, INK, FontStyle::Normal);
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .x_labels(11)
            .y_labels(9)
            .max_light_lines(1)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{}", (y * 100.0).round() / 100.0))
            .bold_line_style(GRID.stroke_width(1))
            .light_line_style(WHITE.mix(0.0))
            .axis_style(MUTED.stroke_width(1))
            .label_style(plain.clone())
            .axis_desc_style(plain.clone())
            .draw()?;
        let mut at = 130;
        for (line, color) in self.lines.iter().zip(COLORS.into_iter().cycle()) {
            let inside = line.points.iter().filter(|(_, y)| *y <= self.top);
            let points: Vec<_> = inside.copied().collect();
            let x = i32::try_from(NAMES)?;
            if line.dashed {
                chart.draw_series(DashedLineSeries::new(points, 10, 7, color.stroke_width(3)))?;
                let halves = [(x, x + 16), (x + 24, x + 40)];
                for (from, to) in halves {
                    root.draw(&PathElement::new(
                        [(from, at), (to, at)],
                        color.stroke_width(3),
                    ))?;
                }
            } else {
                chart.draw_series(LineSeries::new(points, color.stroke_width(4)))?;
                root.draw(&PathElement::new(
                    [(x, at), (x + 40, at)],
                    color.stroke_width(4),
                ))?;
            }
            root.draw(&Text::new(
                line.name.clone(),
                (x + 52, at - 9),
                plain.clone(),
            ))?;
            at += 34;
        }
        root.present()?;
        drop(chart);
        drop(root);
        Ok(text)
    }

    /// All points, one a line.
    pub(crate) fn csv(&self) -> String {
        let of = |line: &Line| {
            let one =
                |(x, y): &(f64, f64)| format!("{},\"{}\",{x:.2},{y:.6}\n", self.file, line.name);
            line.points.iter().map(one).collect::<String>()
        };
        self.lines.iter().map(of).collect()
    }
}

fn font(size: i32, color: RGBColor, style: FontStyle) -> TextStyle<'static> {
    ("sans-serif", size).into_font().style(style).color(&color)
}
