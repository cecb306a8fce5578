//! Which records a retention policy names for removal: always a decision about intact records, oldest first.
//!
//! The rules are Papyra 0.3.0's (`persistence/retention.py`): age first, then the newest `max_records`, then the newest
//! that fit into `max_total_bytes`; all kinds count together, over a whole set. Ours differs in three places, each
//! time by removing less or by saying no: a record without a timestamp is kept, sizes are those of the lines in the
//! file, and an age is refused when the timestamps are no Unix time.

use crate::summary::Summary;

/// A retention policy. `None` keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Retention {
    /// Keep at most this many records.
    pub max_records: Option<u64>,
    /// Remove records with a timestamp before this many seconds since 1970.
    pub oldest: Option<f64>,
    /// Keep at most this many bytes, newlines counted.
    pub max_total_bytes: Option<u64>,
}

/// A first pass over the records: how much there is to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    records: u64,
    bytes: u64,
}

/// The decision, record by record, in the order of the first pass.
#[derive(Debug, Clone, Copy)]
pub struct Sieve {
    policy: Retention,
    left: Census,
}

impl Retention {
    /// Whether a record of that time is within the age limit.
    fn is_young(&self, timestamp: Option<f64>) -> bool {
        match (self.oldest, timestamp) {
            (Some(oldest), Some(seconds)) if seconds.is_finite() => seconds >= oldest,
            _ => true,
        }
    }

    /// Counts a record in a first pass; `bytes` is its length with its newline.
    pub fn count(&self, census: &mut Census, timestamp: Option<f64>, bytes: u64) {
        if self.is_young(timestamp) {
            census.records += 1;
            census.bytes += bytes;
        }
    }

    /// Ready for the second pass.
    pub fn sieve(self, census: Census) -> Sieve {
        Sieve { policy: self, left: census }
    }
}

impl Sieve {
    /// Whether the next record stays.
    pub fn keeps(&mut self, timestamp: Option<f64>, bytes: u64) -> bool {
        if !self.policy.is_young(timestamp) {
            return false;
        }
        // The newest that fit are what is left once the oldest have gone.
        let fits = self.policy.max_records.is_none_or(|most| self.left.records <= most)
            && self.policy.max_total_bytes.is_none_or(|most| self.left.bytes <= most);
        if !fits {
            self.left.records -= 1;
            // A torn record that was finished since the first pass may weigh more now.
            self.left.bytes = self.left.bytes.saturating_sub(bytes);
        }
        fits
    }
}

/// Whether a history's timestamps can be Unix time: all between 2001-09-09 (1e9) and a day from `now`, in seconds.
///
/// A Papyra runtime stamps with a monotonic clock, so real logs usually cannot.
pub fn is_unix_time(summaries: &[Summary], now: f64) -> bool {
    summaries.iter().filter_map(|summary| summary.time_range).all(|(low, high)| low >= 1e9 && high <= now + 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(policy: Retention, records: &[(f64, u64)]) -> Vec<usize> {
        let mut census = Census::default();
        for (time, bytes) in records {
            policy.count(&mut census, Some(*time), *bytes);
        }
        let mut sieve = policy.sieve(census);
        (0..records.len()).filter(|i| sieve.keeps(Some(records[*i].0), records[*i].1)).collect()
    }

    #[test]
    fn a_record_that_has_grown_since_the_first_pass_costs_no_later_one() {
        let policy = Retention { max_total_bytes: Some(1), ..Retention::default() };
        let mut census = Census::default();
        policy.count(&mut census, None, 10);
        let mut sieve = policy.sieve(census);
        assert_eq!([11, 1].map(|bytes| sieve.keeps(None, bytes)), [false, true]);
    }

    #[test]
    fn the_newest_that_fit_are_kept() {
        let records = [(1.0, 10), (5.0, 10), (2.0, 30), (6.0, 10), (7.0, 10)];
        let all = Retention::default();
        assert_eq!(kept(all, &records), [0, 1, 2, 3, 4]);
        assert_eq!(kept(Retention { max_records: Some(2), ..all }, &records), [3, 4]);
        assert_eq!(kept(Retention { max_total_bytes: Some(49), ..all }, &records), [3, 4]);
        assert_eq!(kept(Retention { max_total_bytes: Some(50), ..all }, &records), [2, 3, 4]);
        assert_eq!(kept(Retention { oldest: Some(5.0), ..all }, &records), [1, 3, 4]);
        assert_eq!(kept(Retention { oldest: Some(5.0), max_records: Some(3), ..all }, &records), [1, 3, 4]);
    }
}
