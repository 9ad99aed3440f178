//! What is varied: a path and its values, as they are typed. Knows lists and ranges; must not know what a value means:
//! it is checked where every value of a scenario is.

use crate::rng::Key;
use std::fmt;

/// The most values of one axis: our choice; more is a slip of a step.
const MOST: usize = 10_000;

/// A path of the scenario and what it is set to in turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The path, as `--set` takes it.
    pub path: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// These, as TOML or text.
    List(Vec<String>),
    /// All between two ends: only for random points.
    Between(Between),
}

#[derive(Clone, Debug, PartialEq)]
struct Between {
    from: f64,
    to: f64,
    log: bool,
    /// Whether both ends are whole numbers.
    whole: bool,
    unit: String,
}

/// What cannot be varied so, and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisError {
    /// What was typed.
    pub axis: String,
    /// What is wrong.
    pub rule: String,
    /// What to write instead.
    pub next: String,
}

impl fmt::Display for AxisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.axis, self.rule, self.next)
    }
}

impl std::error::Error for AxisError {}

impl Axis {
    /// Reads `path=a,b,c`, `path=1..8:1`, `path=0..1 x 5`, `path=log 0.1..10 x 5`, or without count and step for random
    /// points.
    pub fn parse(text: &str) -> Result<Axis, AxisError> {
        let wrong = |rule: &str, next: &str| AxisError {
            axis: text.to_owned(),
            rule: rule.to_owned(),
            next: next.to_owned(),
        };
        let example = "write, for example, regions.us.pools.main.replicas=2,4,8";
        let (path, values) =
            assignment(text).ok_or_else(|| wrong("a path and values are needed", example))?;
        Axis::of(path, values).map_err(|error| AxisError { axis: text.to_owned(), ..error })
    }

    /// The values of a path, without it.
    pub fn of(path: &str, values: &str) -> Result<Axis, AxisError> {
        let wrong = |rule: String, next: &str| AxisError {
            axis: format!("{path}={values}"),
            rule,
            next: next.to_owned(),
        };
        let values = values.trim();
        let parsed = match range(values) {
            Some(range) => range.map_err(|(rule, next)| wrong(rule, &next))?,
            None => Values::List(split(values)),
        };
        if let Values::List(list) = &parsed {
            if list.iter().any(String::is_empty) {
                return Err(wrong("a value is empty".into(), "leave the comma out, or write \"\""));
            }
            let mut sorted: Vec<&String> = list.iter().collect();
            sorted.sort();
            if let Some([twice, ..]) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(wrong(format!("`{twice}` is there twice"), "leave one of them out"));
            }
            if list.len() > MOST {
                return Err(wrong(format!("more than {MOST} values"), "take a larger step"));
            }
        }
        Ok(Axis { path: path.trim().to_owned(), values: parsed })
    }

    /// The values in turn; an error where there is no end to them.
    pub fn listed(&self) -> Result<&[String], AxisError> {
        match &self.values {
            Values::List(list) => Ok(list),
            Values::Between(between) => Err(AxisError {
                axis: format!("{}={between}", self.path),
                rule: "a grid needs to know how many values".into(),
                next: format!("write a step ({between}:1), a count ({between} x 5), or take --random N"),
            }),
        }
    }

    /// A value drawn by `key`, which is the point's own.
    pub fn drawn(&self, key: Key) -> String {
        let mut stream = key.named(&self.path).stream();
        match &self.values {
            Values::List(list) => list[stream.below(list.len() as u32) as usize].clone(),
            Values::Between(between) => between.at(stream.unit()),
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.path)?;
        match &self.values {
            Values::List(list) => f.write_str(&list.join(",")),
            Values::Between(between) => between.fmt(f),
        }
    }
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = if self.log { "log " } else { "" };
        write!(f, "{log}{}{unit}..{}{unit}", self.from, self.to, unit = self.unit)
    }
}

impl Between {
    /// The value at this share of the way; whole numbers where both ends are.
    fn at(&self, share: f64) -> String {
        if self.whole {
            // Each whole number has the way up to the next one, the last with them.
            let value = along(self.from, self.to + 1.0, self.log, share).floor().clamp(self.from, self.to);
            return format!("{value}{}", self.unit);
        }
        format!("{}{}", tidy(along(self.from, self.to, self.log, share)), self.unit)
    }
}

fn along(from: f64, to: f64, log: bool, share: f64) -> f64 {
    if log { from * libm::pow(to / from, share) } else { from + (to - from) * share }
}

/// Twelve digits: 0.1 + 0.2 is 0.3.
fn tidy(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

/// A path and what follows its `=`, which may stand in quotes inside the path.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let mut quoted = None;
    let at = text.char_indices().find(|&(_, c)| {
        match quoted {
            Some(quote) if quote == c => quoted = None,
            None if matches!(c, '"' | '\'') => quoted = Some(c),
            _ => return quoted.is_none() && c == '=',
        }
        false
    })?;
    let (path, values) = (text[..at.0].trim(), text[at.0 + 1..].trim());
    (!path.is_empty() && !values.is_empty()).then_some((path, values))
}

/// Splits at commas that stand in no quotes and no brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0i32, None);
    for c in text.chars() {
        match quoted {
            Some(quote) if quote == c => quoted = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' => quoted = Some(c),
                '[' | '{' => depth += 1,
                ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    parts.push(String::new());
                    continue;
                }
                _ => {}
            },
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// A number and the unit behind it.
fn number(text: &str) -> Option<(f64, bool, &str)> {
    let text = text.trim();
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | '_');
    let end = text.find(|c: char| !digits(c)).unwrap_or(text.len());
    let (value, unit) = text.split_at(end);
    let value = value.replace('_', "");
    let unit = unit.trim();
    let word = |c: char| c.is_alphabetic() || matches!(c, '%' | '/' | 'µ');
    (unit.chars().all(word)).then_some(())?;
    let number: f64 = value.parse().ok().filter(|value: &f64| value.is_finite())?;
    Some((number, value.parse::<i64>().is_ok(), unit))
}

type Refused = (String, String);

/// The range that `text` is, if it is one.
fn range(text: &str) -> Option<Result<Values, Refused>> {
    let (log, rest) = match text.strip_prefix("log ") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (from, rest) = rest.split_once("..")?;
    let (to, step, count) = match (rest.split_once(':'), rest.split_once(" x ")) {
        (Some((to, step)), _) => (to, Some(step), None),
        (_, Some((to, count))) => (to, None, Some(count)),
        _ => (rest, None, None),
    };
    // What has no numbers at its ends is text, such as a path.
    let (from, to) = (number(from)?, number(to)?);
    Some(values(from, to, log, step, count))
}

fn values(
    (from, from_whole, from_unit): (f64, bool, &str),
    (to, to_whole, unit): (f64, bool, &str),
    log: bool,
    step: Option<&str>,
    count: Option<&str>,
) -> Result<Values, Refused> {
    let refused = |rule: String, next: &str| Err((rule, next.to_owned()));
    if from_unit != unit && !from_unit.is_empty() {
        return refused(format!("its ends are in `{from_unit}` and `{unit}`"), "give both the same unit");
    }
    if from >= to {
        return refused(format!("{from} is not below {to}"), "write the smaller end first");
    }
    if log && from <= 0.0 {
        return refused(
            "a logarithmic range begins above 0".into(),
            "raise its lower end, or leave `log` out",
        );
    }
    let whole = from_whole && to_whole;
    let show = |value: f64| format!("{}{unit}", tidy(value));
    if let Some(step) = step {
        if log {
            return refused("a logarithmic range has a count and no step".into(), "write `x 5` behind it");
        }
        let Some((step, _, step_unit)) = number(step).filter(|step| step.0 > 0.0) else {
            return refused(format!("`{step}` is no step above 0"), "write, for example, 1..8:1");
        };
        if !step_unit.is_empty() && step_unit != unit {
            return refused(format!("its step is in `{step_unit}`"), "give it the unit of the ends");
        }
        // A hair more, so that 0..1:0.1 has its last value.
        let last = ((to - from) / step + 1e-9).floor();
        if last >= MOST as f64 {
            return refused(format!("more than {MOST} values"), "take a larger step");
        }
        return Ok(Values::List((0..=last as u64).map(|i| show(from + i as f64 * step)).collect()));
    }
    if let Some(count) = count {
        let Some(count) = count.trim().parse::<u32>().ok().filter(|n| (2..=MOST as u32).contains(n)) else {
            return refused(
                format!("`{count}` is no count from 2 to {MOST}"),
                "write, for example, 0..1 x 5",
            );
        };
        let at = |i: u32| match i {
            0 => show(from),
            i if i == count - 1 => show(to),
            i => show(along(from, to, log, f64::from(i) / f64::from(count - 1))),
        };
        return Ok(Values::List((0..count).map(at).collect()));
    }
    Ok(Values::Between(Between { from, to, log, whole, unit: unit.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> Vec<String> {
        Axis::parse(text).unwrap_or_else(|error| panic!("{error}")).listed().unwrap().to_vec()
    }

    #[test]
    fn lists_and_ranges() {
        assert_eq!(listed("a.b=1,2, 4"), ["1", "2", "4"]);
        assert_eq!(listed("a=[\"x\",\"y\"],[\"z\"]"), ["[\"x\",\"y\"]", "[\"z\"]"]);
        assert_eq!(listed("n.\"a=b\"={ x = 1, y = 2 },'p,q'"), ["{ x = 1, y = 2 }", "'p,q'"]);
        assert_eq!(listed("a=2..8:2"), ["2", "4", "6", "8"]);
        assert_eq!(listed("a=2..9:2"), ["2", "4", "6", "8"]);
        assert_eq!(listed("a=0..0.5:0.1"), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(listed("a=10ms..30ms:10ms"), ["10ms", "20ms", "30ms"]);
        assert_eq!(listed("a=0..1 x 5"), ["0", "0.25", "0.5", "0.75", "1"]);
        // Two decades in four steps: half a decade each, by 10^0.5 = 3.16227766017.
        assert_eq!(listed("a=log 0.1..10 x 5"), ["0.1", "0.316227766017", "1", "3.16227766017", "10"]);
        assert_eq!(listed("a=../traces/x.jsonl"), ["../traces/x.jsonl"]);
        assert_eq!(listed("a=-2..-1:0.5"), ["-2", "-1.5", "-1"]);
    }

    #[test]
    fn what_cannot_be_varied_says_why_and_what_to_write() {
        for text in [
            "a",
            "=1",
            "a=",
            "a=1,,2",
            "a=1,1",
            "a=5..1:1",
            "a=1..5:0",
            "a=1..5:x",
            "a=1..5 x 1",
            "a=log 0..5 x 3",
            "a=log 1..5:1",
            "a=1ms..5s:1s",
            "a=0..1:0.00001",
            "a=1..5 x 99999",
        ] {
            let error = Axis::parse(text).expect_err(text);
            assert!(error.axis == text && !error.rule.is_empty() && !error.next.is_empty(), "{error}");
        }
        assert!(Axis::parse("a=1..5").unwrap().listed().is_err(), "no count");
    }

    #[test]
    fn drawn_values_lie_between_the_ends_and_come_from_the_points_number() {
        let axis = |text: &str| Axis::parse(text).unwrap();
        let (whole, share, log) = (axis("n=1..4"), axis("s=0.0..1.0"), axis("l=log 0.01..100"));
        let key = |number: u64| Key::root(7).at(number);
        let mut seen = [0u32; 5];
        let (mut low, mut below_one) = (0, 0);
        for number in 0..2_000 {
            seen[whole.drawn(key(number)).parse::<usize>().unwrap()] += 1;
            let drawn: f64 = share.drawn(key(number)).parse().unwrap();
            assert!((0.0..=1.0).contains(&drawn));
            low += u32::from(drawn < 0.25);
            let drawn: f64 = log.drawn(key(number)).parse().unwrap();
            assert!((0.01..=100.0).contains(&drawn));
            below_one += u32::from(drawn < 1.0);
        }
        // Binomial(2000, 1/4) and (2000, 1/2): five standard deviations are 97 and 112.
        assert_eq!(seen[0], 0);
        assert!(seen[1..].iter().chain([&low]).all(|n| n.abs_diff(500) < 97), "{seen:?} {low}");
        assert!(u32::abs_diff(below_one, 1_000) < 112, "half of a logarithmic range is below its middle");
        assert_eq!(share.drawn(key(3)), share.drawn(key(3)));
    }
}
