//! Two things measured by turns, A B A B, so that whatever drifts on the machine drifts for both.

use crate::Failure;

/// Medians of what was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Medians {
    pub ours: f64,
    /// None where there was nothing to compare with.
    pub baseline: Option<f64>,
    /// The median of the ratios of each pair.
    pub ratio: Option<f64>,
}

impl Medians {
    /// Of pairs of a baseline and ours. A figure is missing where there was nothing to measure.
    pub fn of(pairs: &[(Option<f64>, Option<f64>)]) -> Self {
        let of_some = |values: Vec<f64>| (!values.is_empty()).then(|| median(values));
        let ratios = pairs.iter().filter_map(|(baseline, ours)| Some((*ours)? / (*baseline)?));
        Self {
            ours: median(pairs.iter().filter_map(|(_, ours)| *ours)),
            baseline: of_some(pairs.iter().filter_map(|(baseline, _)| *baseline).collect()),
            ratio: of_some(ratios.collect()),
        }
    }
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Baseline,
    Ours,
}

/// Measures so many pairs, the baseline first. `None` where there is nothing to compare with.
pub fn by_turns(
    pairs: usize,
    mut measure: impl FnMut(Turn) -> Result<Option<f64>, Failure>,
) -> Result<Medians, Failure> {
    let mut figures = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        figures.push((measure(Turn::Baseline)?, measure(Turn::Ours)?));
    }
    Ok(Medians::of(&figures))
}

/// The middle one; of an even number the mean of the two in the middle. Nothing has the median 0.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => 0.0,
        (half, 1) => values[half],
        (half, _) => f64::midpoint(values[half - 1], values[half]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).abs() < f64::EPSILON);
    }

    #[test]
    fn turns_alternate_and_the_ratio_is_that_of_pairs() {
        let mut figures = [1.0, 4.0, 10.0, 20.0, 2.0, 6.0].into_iter();
        let mut turns = Vec::new();
        let medians = by_turns(3, |turn| {
            turns.push(turn);
            Ok(figures.next())
        });
        assert_eq!(turns, [Turn::Baseline, Turn::Ours].repeat(3));
        assert_eq!(medians.unwrap(), Medians { ours: 6.0, baseline: Some(2.0), ratio: Some(3.0) });
    }

    #[test]
    fn without_anything_to_compare_with_there_is_no_ratio() {
        let medians = by_turns(2, |turn| Ok((turn == Turn::Ours).then_some(5.0))).unwrap();
        assert_eq!(medians, Medians { ours: 5.0, baseline: None, ratio: None });
    }
}
