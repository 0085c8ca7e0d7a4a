//! Plots of a day as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::counts::Device;
use crate::graph::Rank;
use crate::run::Day;

const SIZE: (u32, u32) = (720, 420);
const RANKS: [Rank; 3] = [Rank::County, Rank::Hub, Rank::Capital];

fn colour(rank: Rank) -> RGBColor {
    match rank {
        Rank::County => RGBColor(0x1b, 0x6c, 0xa8),
        Rank::Hub => RGBColor(0xd9, 0x80, 0x1e),
        Rank::Capital => RGBColor(0xb0, 0x2a, 0x30),
    }
}

/// Writes all plots into a folder that exists.
///
/// # Errors
/// When a file cannot be written.
pub fn write(day: &Day, dir: &Path) -> Result<(), Box<dyn Error>> {
    map(day, &dir.join("map.svg"))?;
    reach(day, &dir.join("urgent.svg"))?;
    needs(day, &dir.join("bytes.svg"), "MB sent and received in a day, by partners", "MB", |device| {
        (device.bytes_out + device.bytes_in) as f64 / 1e6
    })?;
    needs(day, &dir.join("cpu.svg"), "processor seconds in a day, by partners", "seconds", |device| device.cpu_s)
}

/// Bureaus and their agreements.
fn map(day: &Day, path: &Path) -> Result<(), Box<dyn Error>> {
    let places = &day.graph.places;
    let area = SVGBackend::new(path, (720, 620)).into_drawing_area();
    area.fill(&WHITE)?;
    let (right, top) = places.iter().fold((1.0_f64, 1.0_f64), |(x, y), place| (x.max(place.x), y.max(place.y)));
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .caption("bureaus and agreements", ("sans-serif", 18))
        .build_cartesian_2d(-0.6..right + 0.2, -0.6..top + 0.2)?;
    let lines = day.graph.pairs.iter().map(|(a, b)| {
        let ends = vec![(places[*a].x, places[*a].y), (places[*b].x, places[*b].y)];
        PathElement::new(ends, RGBColor(0x90, 0x90, 0x90).mix(0.35))
    });
    chart.draw_series(lines)?;
    for rank in RANKS {
        let size = if rank == Rank::County { 3 } else { 6 };
        let dots =
            places.iter().filter(|place| place.rank == rank).map(|place| Circle::new((place.x, place.y), size, colour(rank).filled()));
        chart.draw_series(dots)?.label(rank.word()).legend(move |(x, y)| Circle::new((x + 8, y), size, colour(rank).filled()));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE.mix(0.9)).draw()?;
    area.present()?;
    Ok(())
}

/// Which share of entitled bureaus has an urgent bulletin after how many seconds.
fn reach(day: &Day, path: &Path) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let most = day.arrivals.iter().map(|one| one.seconds).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .caption("share of entitled bureaus that hold an urgent bulletin", ("sans-serif", 18))
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d((0.02..most).log_scale(), 0.0..1.0)?;
    chart.configure_mesh().x_desc("seconds, logarithmic").y_desc("share").draw()?;
    for rank in RANKS {
        let mut all: Vec<f64> = day.arrivals.iter().filter(|one| one.rank == rank).map(|one| one.seconds.max(0.02)).collect();
        all.sort_by(f64::total_cmp);
        let count = all.len().max(1) as f64;
        let steps = all.into_iter().enumerate().map(|(at, seconds)| (seconds, (at + 1) as f64 / count));
        let line = LineSeries::new(steps, colour(rank).stroke_width(2));
        chart
            .draw_series(line)?
            .label(format!("written by a {}", rank.word()))
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour(rank).stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK)
        .background_style(WHITE.mix(0.9))
        .draw()?;
    area.present()?;
    Ok(())
}

/// One figure of each bureau beside its number of partners.
fn needs(day: &Day, path: &Path, title: &str, unit: &str, what: impl Fn(&Device) -> f64) -> Result<(), Box<dyn Error>> {
    let points: Vec<(f64, f64, Rank)> = day
        .counts
        .devices
        .iter()
        .enumerate()
        .map(|(n, device)| (day.graph.partners(n).len() as f64, what(device), day.graph.places[n].rank))
        .collect();
    let (right, top) = points.iter().fold((1.0_f64, 1.0_f64), |(x, y), point| (x.max(point.0), y.max(point.1)));
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .caption(title, ("sans-serif", 18))
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..right * 1.05, 0.0..top * 1.05)?;
    chart.configure_mesh().x_desc("partners").y_desc(unit).draw()?;
    for rank in RANKS {
        let dots = points.iter().filter(|point| point.2 == rank).map(|point| Circle::new((point.0, point.1), 4, colour(rank).filled()));
        chart.draw_series(dots)?.label(rank.word()).legend(move |(x, y)| Circle::new((x + 8, y), 4, colour(rank).filled()));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(BLACK).background_style(WHITE.mix(0.9)).draw()?;
    area.present()?;
    Ok(())
}
