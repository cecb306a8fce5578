//! What happens by chance: everything from one seed, written down as it is drawn, and drawn again from what was
//! written down.
//!
//! A choice of 0 is always the simplest: nothing happens, nobody fails. So a schedule is made shorter by making its
//! choices smaller, and after the last one written down everything is simple.

/// A source of choices.
#[derive(Debug)]
pub(crate) struct Chance {
    state: u64,
    /// What was drawn, each number before it was brought into its range.
    drawn: Vec<u32>,
    /// What is to be drawn, in place of new numbers.
    script: Option<Vec<u32>>,
}

impl Chance {
    pub(crate) fn of_seed(seed: u64) -> Chance {
        let mut chance = Chance { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), drawn: Vec::new(), script: None };
        chance.next();
        chance
    }

    pub(crate) fn of_script(script: Vec<u32>) -> Chance {
        Chance { state: 0, drawn: Vec::new(), script: Some(script) }
    }

    /// What was drawn so far.
    pub(crate) fn drawn(&self) -> &[u32] {
        &self.drawn
    }

    // splitmix64
    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    fn draw(&mut self, range: u32) -> u32 {
        let value = match &self.script {
            Some(script) => script.get(self.drawn.len()).copied().unwrap_or(0).min(range - 1),
            None => ((u64::from(self.next()) * u64::from(range)) >> 32) as u32,
        };
        self.drawn.push(value);
        value
    }

    /// One of `0..range`, each as likely as the others; 0 is the simplest.
    pub(crate) fn pick(&mut self, range: usize) -> usize {
        if range <= 1 { 0 } else { self.draw(range as u32) as usize }
    }

    /// True in so many of a thousand cases; `false` is the simplest.
    pub(crate) fn in_thousand(&mut self, cases: u32) -> bool {
        self.draw(1000) >= 1000 - cases.min(1000)
    }
}
