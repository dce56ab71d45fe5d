//! What a boot costs: steps, which are nearly the same every time, and milliseconds,
//! both those of a middling boot of several.

use std::time::Instant;

use serde::Serialize;

use super::super::report::{End, Report};
use super::super::trial::{Trial, TrialError, boot_once};
use super::idea::Aim;
use crate::boot::BootRoot;
use crate::boot::sequence::Sequence;

/// Boots that are timed.
const BOOTS: usize = 5;
/// Milliseconds of timing after which no further boot is.
const ENOUGH_MS: f64 = 2000.0;

/// What a boot costs: the medians of several.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Steps of all stages.
    pub steps: u64,
    /// Steps until the last required stage is done.
    pub steps_to_required: u64,
    /// Milliseconds from beginning to end.
    pub ms: f64,
}

/// A boot and its cost.
#[derive(Debug)]
pub struct Measure {
    /// What it did.
    pub trial: Trial,
    /// What it cost.
    pub cost: Cost,
    /// Steps of each boot, ascending: all, and to the last required stage.
    steps: [Vec<u64>; 2],
}

impl Measure {
    /// Boots a root several times.
    ///
    /// # Errors
    /// When it has no sequence to boot by.
    pub fn of(root: &dyn BootRoot) -> Result<Self, TrialError> {
        let trial = Trial::run(root, None)?;
        let sequence = &trial.own.sequence;
        let costs = |report: &Report| [report.steps(), to_required(report, sequence)];
        let (mut steps, mut times) = (costs(&trial.real).map(|steps| vec![steps]), Vec::new());
        while trial.is_bootable() && times.len() < BOOTS && times.iter().sum::<f64>() < ENOUGH_MS {
            let start = Instant::now();
            let report = boot_once(root, sequence, false)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            for (all, one) in steps.iter_mut().zip(costs(&report)) {
                all.push(one);
            }
        }
        times.sort_by(f64::total_cmp);
        steps.iter_mut().for_each(|all| all.sort_unstable());
        let ms = times.get(times.len() / 2).copied().unwrap_or(0.0);
        let [all, required] = steps.each_ref().map(|steps| steps[steps.len() / 2]);
        let ms = (ms * 1e3).round() / 1e3;
        let cost = Cost { steps: all, steps_to_required: required, ms };
        Ok(Self { trial, cost, steps })
    }

    /// Whether every boot takes fewer steps than every one of another's: a module
    /// that reads the log takes some more or less each time.
    pub fn is_less(&self, other: &Self, aim: Aim) -> bool {
        let of = |measure: &Self| match aim {
            Aim::All => (measure.steps[0][0], measure.steps[0].last().copied()),
            Aim::Required => (measure.steps[1][0], measure.steps[1].last().copied()),
        };
        let ((_, most), (least, _)) = (of(self), of(other));
        most.is_some_and(|most| most < least)
    }
}

/// Steps of all stages up to the last required one that is done.
fn to_required(report: &Report, sequence: &Sequence) -> u64 {
    let is_required =
        |path: &str| sequence.stages.iter().any(|stage| stage.required && stage.path == path);
    let last =
        report.stages.iter().rposition(|stage| stage.end == End::Done && is_required(&stage.path));
    let until = last.map_or(0, |last| last + 1);
    report.stages[..until].iter().map(|stage| stage.steps).sum()
}
