//! Records as rows of a table for spreadsheets: RFC 4180, in UTF-8.
//!
//! What stands in a log is not trusted: a text that a spreadsheet would take for a formula gets an apostrophe before
//! it.

use crate::browse::kind_of;
use crate::view::View;

/// The names of the columns.
pub const HEADER: &str = "file,line,offset,kind,type,actor,timestamp,payload\r\n";

/// Adds the row of a line without its newline: line from 1, offset of its first byte. Times stand as they do in the
/// log; where there is no payload, the whole line stands for it.
pub fn row(to: &mut Vec<u8>, path: &str, line: u64, offset: u64, text: &[u8]) {
    let view = View::of(text);
    let whole = || String::from_utf8_lossy(text);
    let payload = view.raw("payload").map_or_else(whole, Into::into);
    let time = view.number("timestamp").and_then(|_| view.raw("timestamp")).unwrap_or_default();
    cell(to, path);
    to.extend_from_slice(format!(",{line},{offset},{},", kind_of(&view).name()).as_bytes());
    cell(to, &view.what().unwrap_or_default());
    to.push(b',');
    cell(to, &view.actor().unwrap_or_default());
    to.extend_from_slice(format!(",{time},").as_bytes());
    cell(to, &payload);
    to.extend_from_slice(b"\r\n");
}

fn cell(to: &mut Vec<u8>, text: &str) {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        to.extend_from_slice(format!("\"{guard}{}\"", text.replace('"', "\"\"")).as_bytes());
    } else {
        to.extend_from_slice(guard.as_bytes());
        to.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_row_whatever_a_record_holds() {
        let mut rows = Vec::new();
        let line = br#"{"kind": "event", "event_type": "=HYPERLINK(1)", "actor_address": "a,\"b\n", "payload": {"x": 1}, "timestamp": 1.5}"#;
        row(&mut rows, "a.ndjson", 7, 99, line);
        row(&mut rows, "-b", 8, 200, b"{\"ki\xff");
        assert_eq!(
            String::from_utf8(rows).unwrap(),
            "a.ndjson,7,99,event,'=HYPERLINK(1),\"a,\"\"b\n\",1.5,\"{\"\"x\"\": 1}\"\r\n'-b,8,200,other,,,,\"{\"\"ki\u{fffd}\"\r\n"
        );
    }
}
