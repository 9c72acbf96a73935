//! One bar for each scenario: our rate to the fastest peer's, on a logarithmic scale around 1, with
//! a line from the least to the most of the rounds.

use super::spread::short;
use super::table::is_ours;
use super::{Report, Standing};

const WIDTH: f64 = 860.0;
/// Where the names end and the scale begins.
const LEFT: f64 = 190.0;
/// Room for the words behind the longest bar.
const RIGHT: f64 = 190.0;
const TOP: f64 = 64.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const FIRST: &str = "#2a7f62";
const NOT_FIRST: &str = "#c9772b";

/// The scale from 10^`low` to 10^`high`.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio.log10() - self.low) / (self.high - self.low);
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

pub(super) fn svg(report: &Report) -> String {
    let is_peer = |number: usize| !is_ours(report.servers[number].0);
    let standings = report
        .rows
        .iter()
        .map(|row| (row, Standing::of(row, is_peer)));
    let bars: Vec<_> = standings
        .filter_map(|(row, standing)| Some((row.scenario.name, standing?)))
        .collect();
    let least = bars
        .iter()
        .map(|(_, each)| each.rate.min())
        .fold(0.5, f64::min);
    let most = bars
        .iter()
        .map(|(_, each)| each.rate.max())
        .fold(2.0, f64::max);
    let scale = Scale {
        low: least.log10().floor(),
        high: most.log10().ceil(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a few bars")]
    let height = TOP + ROW * bars.len() as f64 + 12.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\">Lockkeeper's rate to the fastest peer's \
         (logarithmic; further right is faster)</text>\n"
    );
    text += &grid(&scale, height);
    let mut y = TOP;
    for (name, standing) in &bars {
        text += &bar(&scale, y, name, report.servers[standing.peer].0, standing);
        y += ROW;
    }
    text + "</svg>\n"
}

fn grid(scale: &Scale, height: f64) -> String {
    let mut text = String::new();
    let mut decade = scale.low;
    while decade <= scale.high {
        for step in [1.0, 2.0, 5.0] {
            let ratio = step * 10_f64.powf(decade);
            if ratio.log10() > scale.high {
                break;
            }
            let x = scale.x(ratio);
            let is_one = (ratio - 1.0).abs() < 1e-9;
            let colour = if is_one { "#333" } else { "#ddd" };
            text += &format!(
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" \
                 stroke=\"{colour}\"/>\n<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" \
                 fill=\"#555\">{ratio:.*}</text>\n",
                TOP - 8.0,
                height - 8.0,
                TOP - 14.0,
                if ratio < 1.0 { 2 } else { 0 },
            );
        }
        decade += 1.0;
    }
    text
}

fn bar(scale: &Scale, y: f64, name: &str, peer: &str, standing: &Standing) -> String {
    let ratio = standing.rate.median();
    let (one, end) = (scale.x(1.0), scale.x(ratio));
    let colour = if ratio >= 1.0 { FIRST } else { NOT_FIRST };
    let [least, most] = [standing.rate.min(), standing.rate.max()].map(|each| scale.x(each));
    let (middle, baseline) = (y + BAR / 2.0, y + BAR - 3.0);
    format!(
        "<text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\">{name}</text>\n\
         <rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
         <line x1=\"{least:.1}\" x2=\"{most:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" \
         stroke=\"black\"/>\n\
         <text x=\"{:.1}\" y=\"{baseline:.1}\">{} × {peer}</text>\n",
        LEFT - 10.0,
        one.min(end),
        (end - one).abs(),
        most.max(one) + 6.0,
        short(ratio),
    )
}
