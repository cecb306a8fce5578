//! How many records of which sort lie where: over time and over the file, in a fixed number of bins whatever the log holds.
//!
//! The span of time is not known before the end, so the bins of the time axis begin narrow and are merged in pairs as
//! the span grows. The file's size is known, so the other axis never changes.

use crate::record::{Kind, RecordFacts};

/// Most bins of either axis.
const BINS: usize = 360;
/// Stamps beyond it are no clock's and would only flatten the rest.
const LATEST: f64 = 1e12;
/// The narrowest bin in seconds: a sixty-fourth.
const NARROWEST: f64 = 1.0 / 64.0;

/// What is counted in a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// An event of any type, crashes among them.
    Event = 0,
    /// A dead letter.
    DeadLetter = 1,
    /// An event that tells of a crash.
    Crash = 2,
    /// Damage.
    Anomaly = 3,
}

/// Neighbouring bins of one width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Where the first bin starts: seconds or bytes.
    pub start: f64,
    /// How wide each is.
    pub width: f64,
    /// Counts by [`Sort`].
    pub bins: Vec<[u32; 4]>,
}

/// Both axes, filled while a log goes by.
#[derive(Debug, Clone)]
pub struct Timeline {
    place: Histogram,
    time: Vec<[u32; 4]>,
    first: i64,
    width: f64,
    earliest: f64,
    latest: f64,
    last: Option<f64>,
}

impl Timeline {
    /// For a history of so many bytes in all.
    pub fn new(total_bytes: u64) -> Timeline {
        let width = (total_bytes as f64 / BINS as f64).max(1.0);
        let bins = ((total_bytes as f64 / width).ceil() as usize).clamp(1, BINS);
        Timeline {
            place: Histogram { start: 0.0, width, bins: vec![[0; 4]; bins] },
            time: Vec::new(),
            first: 0,
            width: NARROWEST,
            earliest: f64::INFINITY,
            latest: f64::NEG_INFINITY,
            last: None,
        }
    }

    /// Adds a record at `place`, an offset in the whole history.
    #[inline]
    pub fn record(&mut self, facts: &RecordFacts, place: u64) {
        let seconds = facts.timestamp;
        if let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) {
            self.earliest = self.earliest.min(seconds);
            self.latest = self.latest.max(seconds);
            self.last = Some(seconds);
        }
        let sort = match facts.kind {
            Kind::Event => Sort::Event,
            Kind::DeadLetter => Sort::DeadLetter,
            Kind::Audit | Kind::Other => return,
        };
        self.add(sort, seconds, place);
        if facts.crashed && sort == Sort::Event {
            self.add(Sort::Crash, seconds, place);
        }
    }

    /// Adds damage; its time is that of the record before it.
    pub fn anomaly(&mut self, place: u64) {
        self.add(Sort::Anomaly, self.last, place);
    }

    /// By time when every stamp lies between `from` and `to`, by place otherwise; true says by time.
    pub fn finish(self, from: f64, to: f64) -> (bool, Histogram) {
        let calendar = self.earliest >= from && self.latest <= to && !self.time.is_empty();
        if !calendar {
            return (false, self.place);
        }
        (true, Histogram { start: self.first as f64 * self.width, width: self.width, bins: self.time })
    }

    #[inline]
    fn add(&mut self, sort: Sort, seconds: Option<f64>, place: u64) {
        let last = self.place.bins.len() - 1;
        let bin = ((place as f64 / self.place.width) as usize).min(last);
        count(&mut self.place.bins[bin], sort);
        if let Some(seconds) = seconds
            && seconds.abs() < LATEST
        {
            let bin = self.time_bin(seconds);
            count(&mut self.time[bin], sort);
        }
    }

    #[inline]
    fn time_bin(&mut self, seconds: f64) -> usize {
        let at = (seconds / self.width).floor() as i64 - self.first;
        if at >= 0 && (at as usize) < self.time.len() { at as usize } else { self.stretch(seconds) }
    }

    /// Makes room for a stamp outside the bins so far.
    #[cold]
    fn stretch(&mut self, seconds: f64) -> usize {
        loop {
            let bin = (seconds / self.width).floor() as i64;
            if self.time.is_empty() {
                self.first = bin;
                self.time.push([0; 4]);
            }
            let low = self.first.min(bin);
            let high = (self.first + self.time.len() as i64 - 1).max(bin);
            if high - low < BINS as i64 {
                let before = (self.first - low) as usize;
                self.time.splice(0..0, std::iter::repeat_n([0; 4], before));
                self.time.resize((high - low + 1) as usize, [0; 4]);
                self.first = low;
                return (bin - low) as usize;
            }
            self.merge_pairs();
        }
    }

    fn merge_pairs(&mut self) {
        let first = self.first.div_euclid(2);
        let mut merged = vec![[0; 4]; self.time.len() / 2 + 1];
        for (index, bin) in self.time.iter().enumerate() {
            let target = &mut merged[((self.first + index as i64).div_euclid(2) - first) as usize];
            for (sum, count) in target.iter_mut().zip(bin) {
                *sum = u32::saturating_add(*sum, *count);
            }
        }
        if merged.last() == Some(&[0; 4]) {
            merged.pop();
        }
        (self.time, self.first, self.width) = (merged, first, self.width * 2.0);
    }
}

#[inline]
fn count(bin: &mut [u32; 4], sort: Sort) {
    bin[sort as usize] = bin[sort as usize].saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: Kind, crashed: bool, timestamp: f64) -> RecordFacts {
        let mut facts = RecordFacts::default();
        (facts.kind, facts.crashed, facts.timestamp) = (kind, crashed, Some(timestamp));
        facts
    }

    fn total(histogram: &Histogram, sort: Sort) -> u32 {
        histogram.bins.iter().map(|bin| bin[sort as usize]).sum()
    }

    #[test]
    fn every_record_is_counted_once_however_wide_the_span() {
        for span in [0.001, 1.0, 86_400.0, 1e8] {
            let mut timeline = Timeline::new(100_000);
            for n in 0..1000_u64 {
                // Backwards, so that the bins stretch to the front too.
                timeline.record(&facts(Kind::Event, n % 10 == 0, 1.7e9 - span * n as f64 / 1000.0), n * 100);
            }
            timeline.anomaly(5);
            let (by_time, histogram) = timeline.finish(1e9, 2e9);
            assert!(by_time && histogram.bins.len() <= BINS);
            assert_eq!(total(&histogram, Sort::Event), 1000);
            assert_eq!(total(&histogram, Sort::Crash), 100);
            assert_eq!(total(&histogram, Sort::Anomaly), 1);
            assert!(histogram.start <= 1.7e9 - span * 0.999 && histogram.width >= NARROWEST);
        }
    }

    #[test]
    fn a_clock_that_is_no_calendar_is_shown_by_place() {
        let mut timeline = Timeline::new(1000);
        timeline.record(&facts(Kind::Event, false, 948.1), 0);
        timeline.record(&facts(Kind::DeadLetter, false, f64::NAN), 999);
        timeline.record(&facts(Kind::DeadLetter, false, 1e300), 5_000);
        let (by_time, histogram) = timeline.finish(1e9, 2e9);
        assert!(!by_time);
        assert_eq!(histogram.bins[0][Sort::Event as usize], 1);
        assert_eq!(total(&histogram, Sort::DeadLetter), 2);
    }
}
