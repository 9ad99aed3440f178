//! Dates and times of day as files write them. Knows the calendar; must not know fields.

use std::fmt;

/// When a trace begins by the clock of the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcStart {
    /// Nanoseconds since 1970-01-01 00:00.
    pub unix_ns: i64,
    /// The file says no zone: it is taken for UTC.
    pub naive: bool,
}

const NS_PER_S: i64 = 1_000_000_000;
const S_PER_DAY: i64 = 86_400;

/// Days from 1970-01-01 to a date of the Gregorian calendar: years are counted from March, so that leap days end them.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let shifted = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_from_days(days: i64) -> (i64, i64, i64) {
    let (era, day_of_era) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = (shifted_month + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

/// The number that `count` digits at the beginning of `text` make, and what follows.
fn digits(text: &[u8], count: usize) -> Option<(i64, &[u8])> {
    let (head, rest) = text.split_at_checked(count)?;
    let number = head
        .iter()
        .try_fold(0i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))?;
    Some((number, rest))
}

fn after<'a>(text: &'a [u8], any: &[u8]) -> Option<&'a [u8]> {
    text.split_first().filter(|(first, _)| any.contains(first)).map(|(_, rest)| rest)
}

impl UtcStart {
    /// Parses RFC 3339, or the same without a zone, with a space or `T` and any number of fractional digits; beyond
    /// nanoseconds they are cut.
    pub fn parse(text: &str) -> Option<UtcStart> {
        let (year, rest) = digits(text.as_bytes(), 4)?;
        let (month, rest) = digits(after(rest, b"-")?, 2)?;
        let (day, rest) = digits(after(rest, b"-")?, 2)?;
        let (hour, rest) = digits(after(rest, b"Tt ")?, 2)?;
        let (minute, rest) = digits(after(rest, b":")?, 2)?;
        let (second, mut rest) = digits(after(rest, b":")?, 2)?;
        let mut ns = 0;
        if let Some(fraction) = after(rest, b".,") {
            let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let kept = count.min(9);
            ns = digits(fraction, kept)?.0 * 10i64.pow(9 - kept as u32);
            if count == 0 {
                return None;
            }
            rest = &fraction[count..];
        }
        let (offset_s, naive) = match rest {
            b"" => (0, true),
            b"Z" | b"z" => (0, false),
            _ => {
                let (hours, colon) = digits(after(rest, b"+-")?, 2)?;
                let (minutes, end) = digits(after(colon, b":").unwrap_or(colon), 2)?;
                if !end.is_empty() || hours > 23 || minutes > 59 {
                    return None;
                }
                let sign = if rest[0] == b'-' { -1 } else { 1 };
                (sign * (hours * 3_600 + minutes * 60), false)
            }
        };
        let in_range = (1..=12).contains(&month) && hour < 24 && minute < 60 && second <= 60;
        if !in_range || !(1_970..=2_200).contains(&year) || day < 1 {
            return None;
        }
        let days = days_from_date(year, month, day);
        if date_from_days(days) != (year, month, day) {
            return None;
        }
        let seconds = days * S_PER_DAY + hour * 3_600 + minute * 60 + second - offset_s;
        Some(UtcStart { unix_ns: seconds * NS_PER_S + ns, naive })
    }
}

impl fmt::Display for UtcStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ns) = (self.unix_ns.div_euclid(NS_PER_S), self.unix_ns.rem_euclid(NS_PER_S));
        let (days, of_day) = (seconds.div_euclid(S_PER_DAY), seconds.rem_euclid(S_PER_DAY));
        let (year, month, day) = date_from_days(days);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if ns > 0 {
            write!(f, "{}", format!(".{ns:09}").trim_end_matches('0'))?;
        }
        f.write_str(if self.naive { "" } else { "Z" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(text: &str) -> Option<i64> {
        UtcStart::parse(text).map(|start| start.unix_ns)
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(ns("1970-01-01T00:00:00Z"), Some(0));
        // 1,700,000,000 s is 2023-11-14 22:13:20 UTC.
        assert_eq!(ns("2023-11-14T22:13:20Z"), Some(1_700_000_000 * NS_PER_S));
        assert_eq!(ns("2023-11-14 22:13:20.6805900"), Some(1_700_000_000_680_590_000));
        assert_eq!(ns("2023-11-15T00:13:20+02:00"), Some(1_700_000_000 * NS_PER_S));
        assert_eq!(ns("2023-11-14T16:43:20-0530"), Some(1_700_000_000 * NS_PER_S));
        assert_eq!(ns("2024-02-29T00:00:00Z"), Some(1_709_164_800 * NS_PER_S));
        assert!(UtcStart::parse("2023-11-14 22:13:20").unwrap().naive);
        for day in (0..84_000).step_by(17) {
            let (year, month, date) = date_from_days(day);
            assert_eq!(days_from_date(year, month, date), day);
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2023",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-11-14T24:00:00Z",
            "2023-11-14",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20+2",
            "2023-11-14T22:13:20Zx",
            "20x3-11-14T22:13:20Z",
            "1900-01-01T00:00:00Z",
            "2023-11-14T22:13",
            "2023-11-14T22:13:20+99:00",
            "2023-11-14T22:13:20é",
        ] {
            assert_eq!(UtcStart::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for text in ["2023-11-16T18:15:46.68059", "2024-05-10T00:00:00Z", "1999-12-31T23:59:59.000000001Z"] {
            assert_eq!(UtcStart::parse(text).unwrap().to_string(), text);
        }
    }
}
