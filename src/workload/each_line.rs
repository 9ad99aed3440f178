//! What the trace readers share for lines: walking them, and what a bad one does. Knows lines and findings; must
//! not know any format.

use super::error::{TraceErrors, TraceFinding};
use super::open_file::{LineError, Lines, MAX_LINE_BYTES};
use super::options::{OnBadLine, ReadOptions};

/// A finding for a line that cannot be had.
pub(super) fn line_finding(lines: &Lines, error: &LineError) -> TraceFinding {
    match error {
        LineError::TooLong => TraceFinding::new(
            lines.number(),
            "line",
            format!("longer than {} MiB", MAX_LINE_BYTES >> 20),
            "one request must stand on one line",
            "Write the trace as JSON lines, not as one array",
        ),
        LineError::Io(error) => TraceFinding::new(
            lines.number() + 1,
            "file",
            format!("unreadable from here on ({error})"),
            format!("it must be whole ({} by its first bytes)", lines.compression()),
            "Fetch or compress it again: it may have been cut off",
        ),
    }
}

/// Calls `row` for the current line and all that follow.
pub(super) fn each_line(
    lines: &mut Lines,
    options: &ReadOptions,
    errors: &mut TraceErrors,
    mut row: impl FnMut(u64, &[u8]) -> Result<(), TraceFinding>,
) {
    loop {
        if let Err(finding) = row(lines.number(), lines.line()) {
            bad_line(options, errors, finding);
        }
        match lines.advance() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return errors.push(line_finding(lines, &error)),
        }
    }
}

/// Takes a finding as the options say.
pub(super) fn bad_line(options: &ReadOptions, errors: &mut TraceErrors, finding: TraceFinding) {
    match options.on_bad_line {
        OnBadLine::Fail => errors.push(finding),
        OnBadLine::Skip => errors.skip(finding),
    }
}
