//! Human units: `"30s"`, `"80GB"`, `"10Gbps"`, `"25%"`. Knows how people write quantities and turns them into
//! integers exactly, in decimal arithmetic; must not know what a quantity is for. A bare number is refused: nobody
//! should have to guess its unit. Decimal prefixes are powers of 1000 (SI), `Ki Mi Gi Ti` powers of 1024 (IEC 80000-13).

use crate::time::{MAX_TIME, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;

/// Why a quantity was refused: what is wrong and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {help}")]
pub struct UnitError {
    /// What is wrong with the text.
    pub problem: String,
    /// What to write instead.
    pub help: String,
}

/// A unit and how many smallest units it is.
type Unit = (&'static str, u128);

const DURATION_UNITS: [Unit; 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const BYTE_UNITS: [Unit; 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
// In bits a second, so that bits and bytes are both exact.
const BANDWIDTH_UNITS: [Unit; 8] = [
    ("kbps", 1_000),
    ("Mbps", 1_000_000),
    ("Gbps", 1_000_000_000),
    ("Tbps", 1_000_000_000_000),
    ("kB/s", 8_000),
    ("MB/s", 8_000_000),
    ("GB/s", 8_000_000_000),
    ("TB/s", 8_000_000_000_000),
];

/// The longest number a quantity is read from: longer ones are mistakes, and this keeps the arithmetic in 128 bits.
const MAX_DIGITS: usize = 18;

fn quantity(text: &str, what: &str, units: &[Unit], example: &str) -> Result<u128, UnitError> {
    let trimmed = text.trim();
    let error = |problem: String, help: String| UnitError { problem, help };
    let known =
        || units.iter().map(|unit| unit.0).filter(|unit| unit.is_ascii()).collect::<Vec<_>>().join(", ");
    let write = || format!("write a number and a unit, such as \"{example}\" (units: {})", known());
    let end = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(trimmed.len());
    let (number, unit) = (trimmed[..end].replace('_', ""), trimmed[end..].trim());
    if trimmed.is_empty() {
        return Err(error(format!("an empty {what}"), write()));
    }
    if trimmed.starts_with('-') {
        return Err(error(format!("a negative {what}: `{trimmed}`"), write()));
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return Err(error(format!("`{trimmed}` is not a {what}"), write()));
    }
    if unit.is_empty() {
        let base = example.trim_start_matches(|c: char| c.is_ascii_digit());
        return Err(error(
            format!("a {what} without a unit: `{trimmed}`"),
            match base {
                "s" => format!("did you mean \"{number}s\" or \"{number}ms\"? (units: {})", known()),
                _ => format!("did you mean \"{number}{base}\"? (units: {})", known()),
            },
        ));
    }
    let Some(&(_, scale)) = units.iter().find(|known| known.0 == unit) else {
        let close = units.iter().find(|known| known.0.eq_ignore_ascii_case(unit));
        let help = close.map_or_else(write, |close| format!("did you mean \"{number}{}\"?", close.0));
        return Err(error(format!("`{unit}` is not a unit of {what}"), help));
    };
    let fraction = fraction.trim_end_matches('0');
    let whole = whole.trim_start_matches('0');
    if whole.len() + fraction.len() > MAX_DIGITS {
        return Err(error(format!("`{trimmed}` has more than {MAX_DIGITS} digits"), write()));
    }
    let digits: u128 = format!("0{whole}{fraction}")
        .parse()
        .map_err(|_| error(format!("`{trimmed}` is not a {what}"), write()))?;
    // At most 10^18 times 10^14: far inside 128 bits.
    let scaled = digits * scale;
    let divisor = 10u128.pow(fraction.len() as u32);
    if !scaled.is_multiple_of(divisor) {
        let smallest = units[0].0;
        return Err(error(
            format!("`{trimmed}` is not a whole number of the smallest step ({smallest})"),
            format!("round it to a whole number of {smallest}"),
        ));
    }
    Ok(scaled / divisor)
}

/// Parses a length of time: `"30s"`, `"800ms"`, `"1.5h"`, `"250us"`. At most 200 days, the longest simulation.
pub fn parse_duration(text: &str) -> Result<Span, UnitError> {
    let ns = quantity(text, "duration", &DURATION_UNITS, "30s")?;
    match u64::try_from(ns) {
        Ok(ns) if ns <= MAX_TIME.0 => Ok(Span(ns)),
        _ => Err(UnitError {
            problem: format!("`{}` is longer than the longest simulation", text.trim()),
            help: "write at most \"200d\"".into(),
        }),
    }
}

/// Parses an amount of memory or data in bytes: `"80GB"` (decimal), `"80GiB"` (binary).
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let bytes = quantity(text, "size", &BYTE_UNITS, "80GB")?;
    u64::try_from(bytes).map_err(|_| UnitError {
        problem: format!("`{}` is too large", text.trim()),
        help: "write at most \"18000000TB\"".into(),
    })
}

/// Parses a bandwidth in bits a second: `"10Gbps"` (bits), `"1.2GB/s"` (bytes).
pub fn parse_bandwidth(text: &str) -> Result<u64, UnitError> {
    let bits = quantity(text, "bandwidth", &BANDWIDTH_UNITS, "10Gbps")?;
    let error = |problem: &str| UnitError {
        problem: format!("`{}` is {problem}", text.trim()),
        help: "write more than 0 and at most \"1000Tbps\"".into(),
    };
    match u64::try_from(bits) {
        Ok(0) => Err(error("no bandwidth at all")),
        Ok(bits) if bits <= 1_000_000_000_000_000 => Ok(bits),
        _ => Err(error("too fast")),
    }
}

/// Parses a share: `"25%"`.
pub fn parse_percent(text: &str) -> Result<f64, UnitError> {
    let error = || UnitError {
        problem: format!("`{}` is not a share", text.trim()),
        help: "write a number between 0 and 1, or a percentage such as \"25%\"".into(),
    };
    let number = text.trim().strip_suffix('%').ok_or_else(error)?;
    let percent: f64 = number.trim().parse().map_err(|_| error())?;
    if percent.is_finite() { Ok(percent / 100.0) } else { Err(error()) }
}

fn shortest(value: u128, units: &[Unit]) -> String {
    let unit = units.iter().rev().find(|unit| value >= unit.1).unwrap_or(&units[0]);
    let (whole, rest) = (value / unit.1, value % unit.1);
    if rest == 0 {
        return format!("{whole}{}", unit.0);
    }
    let digits = unit.1.ilog10() as usize;
    let fraction = format!("{rest:0digits$}");
    format!("{whole}.{}{}", fraction.trim_end_matches('0'), unit.0)
}

/// Writes bytes exactly with a decimal prefix: `80GB`, `1.5MB`.
pub fn format_bytes(bytes: u64) -> String {
    shortest(bytes as u128, &BYTE_UNITS[..6].iter().filter(|u| u.0 != "KB").copied().collect::<Vec<_>>())
}

/// Writes bits a second exactly: `10Gbps`.
pub fn format_bandwidth(bits_per_sec: u64) -> String {
    if bits_per_sec < 1_000 {
        return format!("0.{bits_per_sec:03}kbps");
    }
    shortest(bits_per_sec as u128, &BANDWIDTH_UNITS[..4])
}

/// A length of time, written `"30s"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Duration(pub Span);

/// An amount of memory or data in bytes, written `"80GB"` or `"80GiB"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct ByteSize(pub u64);

/// A bandwidth in bits a second, written `"10Gbps"` or `"1.2GB/s"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Bandwidth(pub u64);

/// A share, written `0.25` or `"25%"`.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Ratio(pub f64);

macro_rules! written_as_text {
    ($name:ident, $parse:path, $format:expr, $schema_format:literal, $pattern:literal, $examples:tt, $what:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$format(self.0))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $parse(text).map($name).map_err(E::custom)
                    }
                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$name, E> {
                        $parse(&number.to_string()).map($name).map_err(E::custom)
                    }
                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$name, E> {
                        $parse(&number.to_string()).map($name).map_err(E::custom)
                    }
                    fn visit_f64<E: de::Error>(self, number: f64) -> Result<$name, E> {
                        $parse(&number.to_string()).map($name).map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Text)
            }
        }
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $schema_format, "pattern": $pattern, "examples": $examples })
            }
        }
    };
}

written_as_text!(
    Duration,
    parse_duration,
    |span: Span| span.to_string(),
    "duration",
    r"^\s*[0-9_]*\.?[0-9]+\s*(ns|us|µs|ms|s|m|h|d)\s*$",
    ["30s", "800ms", "1.5h"],
    "a duration such as \"30s\""
);
written_as_text!(
    ByteSize,
    parse_bytes,
    format_bytes,
    "size",
    r"^\s*[0-9_]*\.?[0-9]+\s*([kKMGT]i?)?B\s*$",
    ["80GB", "80GiB"],
    "a size such as \"80GB\""
);
written_as_text!(
    Bandwidth,
    parse_bandwidth,
    format_bandwidth,
    "bandwidth",
    r"^\s*[0-9_]*\.?[0-9]+\s*([kMGT]bps|[kMGT]B/s)\s*$",
    ["10Gbps", "1.2GB/s"],
    "a bandwidth such as \"10Gbps\""
);

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}
impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Share;
        impl de::Visitor<'_> for Share {
            type Value = Ratio;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as 0.25 or \"25%\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ratio, E> {
                parse_percent(text).map(Ratio).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Ratio, E> {
                Ok(Ratio(number))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Ratio, E> {
                Ok(Ratio(number as f64))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Ratio, E> {
                Ok(Ratio(number as f64))
            }
        }
        deserializer.deserialize_any(Share)
    }
}
impl JsonSchema for Ratio {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "format": "share", "examples": [0.25, "25%"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_exact() {
        let ns = |text: &str| parse_duration(text).map(|span| span.0);
        assert_eq!(ns("30s"), Ok(30_000_000_000));
        assert_eq!(ns("800ms"), Ok(800_000_000));
        assert_eq!(ns("1.5h"), Ok(5_400_000_000_000));
        assert_eq!(ns(" 250 us "), Ok(250_000));
        assert_eq!(ns("250µs"), Ok(250_000));
        // 0.1 + 0.2 s has no exact f64; decimal arithmetic does not care.
        assert_eq!(ns("0.3s"), Ok(300_000_000));
        assert_eq!(ns("200d"), Ok(MAX_TIME.0));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_way_out() {
        let refused = |text: &str| parse_duration(text).unwrap_err();
        assert!(refused("30").help.contains("did you mean \"30s\""));
        assert!(refused("30 Min").problem.contains("`Min` is not a unit of duration"));
        assert!(refused("30MS").help.contains("did you mean \"30ms\"?"));
        assert!(refused("-3s").problem.contains("negative"));
        assert!(refused("0.1ns").problem.contains("smallest step (ns)"));
        assert!(refused("201d").problem.contains("longest simulation"));
        assert!(refused("99999999999999999999s").problem.contains("digits"));
        assert!(refused("").problem.contains("empty"));
        assert!(refused("1.2.3s").problem.contains("not a duration"));
        assert!(parse_bandwidth("0Gbps").unwrap_err().problem.contains("no bandwidth"));
        assert!(parse_bytes("80").unwrap_err().help.contains("did you mean \"80GB\"?"));
    }

    #[test]
    fn decimal_and_binary_prefixes_differ() {
        assert_eq!(parse_bytes("80GB"), Ok(80_000_000_000));
        assert_eq!(parse_bytes("80GiB"), Ok(80 << 30));
        assert_eq!(parse_bandwidth("10Gbps"), Ok(10_000_000_000));
        assert_eq!(parse_bandwidth("1.2GB/s"), Ok(9_600_000_000));
        assert_eq!(parse_percent("25%"), Ok(0.25));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in 0..MAX_TIME.0, bits in 1..1_000_000_000_000_000u64) {
            prop_assert_eq!(parse_duration(&Span(value).to_string()), Ok(Span(value)));
            prop_assert_eq!(parse_bytes(&format_bytes(value)), Ok(value));
            prop_assert_eq!(parse_bandwidth(&format_bandwidth(bits)), Ok(bits));
        }

        #[test]
        fn any_text_is_answered(text in "\\PC{0,40}") {
            let _ = (parse_duration(&text), parse_bytes(&text), parse_bandwidth(&text), parse_percent(&text));
        }
    }
}
