//! Which containers are open in a line, as its brackets and commas say: for whoever learns what a line that was
//! accepted is made of. Nothing is checked here.

/// The containers that are open at a byte.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    /// How many.
    pub(super) depth: i32,
    /// Whether what comes next in the innermost is a key, or its end.
    pub(super) key_due: bool,
    /// A bit of each, the innermost in the lowest: whether it is an object. Of more than 64 the outermost are
    /// forgotten.
    objects: u64,
}

impl Nesting {
    /// Goes on behind a bracket or a comma; other bytes change nothing.
    pub(super) fn pass(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => {
                self.key_due = byte == b'{';
                self.depth += 1;
                self.objects = self.objects << 1 | u64::from(self.key_due);
            }
            b'}' | b']' => {
                self.key_due = false;
                self.depth -= 1;
                self.objects >>= 1;
            }
            b',' => self.key_due = self.objects & 1 == 1,
            _ => {}
        }
    }
}
