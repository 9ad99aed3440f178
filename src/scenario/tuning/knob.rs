//! A parameter of a policy that is turned: where it stands in the policy, and its range. Knows policies as their parameters
//! are written; must not know scenario files, nor what any one parameter means.

use super::axis::{Axis, Scale};
use crate::routing::PolicySpec;
use crate::scenario::nearest::suggest;
use crate::world::{GatewayPlacement, PolicyParams};
use serde_json::Value;

/// Why a parameter or its range was refused: what is wrong, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KnobError(pub String);

/// Which part of a parameter with its range is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The policy has no such parameter.
    Path(String),
    /// The range.
    Range(String),
}

impl Wrong {
    /// In words.
    pub fn into_text(self) -> String {
        let (Wrong::Path(text) | Wrong::Range(text)) = self;
        text
    }
}

const EXAMPLE: &str = "write, for example, rtt=0.05..2";

/// Which of a policy's stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Global,
    Replica,
}

/// A parameter with its range.
#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// Its path within the policy's parameters, such as `rtt` or `score.0.weight`.
    pub name: String,
    /// Its path in the scenario, for `--set`.
    pub path: String,
    /// Its range.
    pub axis: Axis,
    /// Its value in the scenario.
    pub start: f64,
    /// The policy's own default, as published; `None` where it has none, as in a composition.
    pub default: Option<f64>,
    stage: Stage,
    pointer: String,
}

/// A stage's parameters as they are written: its policy's name, and the parameters.
fn written(spec: &PolicySpec) -> (String, Value) {
    let value = serde_json::to_value(spec).unwrap_or_default();
    match value {
        Value::Object(map) => map.into_iter().next().unwrap_or_default(),
        _ => (spec.name().to_owned(), Value::Null),
    }
}

/// All numbers within, by their paths.
fn numbers(value: &Value, path: &str, found: &mut Vec<(String, f64)>) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Number(number) => found.extend(number.as_f64().map(|number| (path.to_owned(), number))),
        Value::Object(map) => map.iter().for_each(|(key, value)| numbers(value, &inner(key), found)),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| numbers(value, &inner(&index.to_string()), found));
        }
        _ => {}
    }
}

impl Knob {
    /// Reads `PATH=LOW..HIGH`, perhaps with `:log` or `:linear` behind it, of a parameter of `policy`. The path may be short
    /// (`rtt`) or that of the scenario (`policies.gorgo.central.gorgo.rtt`).
    ///
    /// # Errors
    /// When it is not so written, there is no such number, or an end of the range breaks the parameter's rule.
    pub fn parse(text: &str, policy: &PolicyParams) -> Result<Knob, KnobError> {
        let refused = |why: String| KnobError(format!("{text}: {why}"));
        let (path, range) = text
            .split_once('=')
            .ok_or_else(|| refused(format!("a parameter and its range are needed; {EXAMPLE}")))?;
        Knob::ranged(path, range, policy).map_err(|wrong| refused(wrong.into_text()))
    }
    /// The same of a path and a range apart.
    ///
    /// # Errors
    /// What is wrong, with the path or with the range.
    pub fn ranged(path: &str, range: &str, policy: &PolicyParams) -> Result<Knob, Wrong> {
        let refused = |why: String| Wrong::Range(why);
        let (range, scale) = match range.rsplit_once(':') {
            None => (range, None),
            Some((range, "log")) => (range, Some(Scale::Log)),
            Some((range, "linear")) => (range, Some(Scale::Linear)),
            Some((_, other)) => {
                return Err(refused(format!("there is no scale `{other}`; it is log or linear")));
            }
        };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let ends = range.split_once("..").and_then(|(low, high)| number(low).zip(number(high)));
        let (low, high) = ends.ok_or_else(|| refused(format!("`{range}` is no range; {EXAMPLE}")))?;
        if low >= high {
            return Err(refused("the least must lie below the most".to_owned()));
        }
        if scale == Some(Scale::Log) && low <= 0.0 {
            return Err(refused("a range that is walked by factors begins above 0; use :linear".to_owned()));
        }
        let scale = scale.unwrap_or(if low > 0.0 { Scale::Log } else { Scale::Linear });
        let mut knob = Knob::find(path.trim(), policy).map_err(|error| Wrong::Path(error.0))?;
        (knob.axis.low, knob.axis.high, knob.axis.scale) = (low, high, scale);
        if knob.axis.whole && (low.fract() != 0.0 || high.fract() != 0.0) {
            return Err(refused(format!("`{}` takes whole numbers", knob.name)));
        }
        for end in [low, high] {
            knob.turned(policy, end).map_err(|error| refused(error.0))?;
        }
        Ok(knob)
    }
    /// Reads weights, `rtt=2,queue=0.104`, as a value of each of `knobs`; what is not named is as at the start.
    ///
    /// # Errors
    /// When it is not so written, names what is not turned, or breaks a rule.
    pub fn weights(text: &str, policy: &PolicyParams, knobs: &[Knob]) -> Result<Vec<f64>, KnobError> {
        let refused = |why: String| KnobError(why);
        let mut point: Vec<f64> = knobs.iter().map(|knob| knob.start).collect();
        for part in text.split(',') {
            let (path, value) = part
                .split_once('=')
                .ok_or_else(|| refused("write weights as rtt=2,queue=0.104".to_owned()))?;
            let knob = Knob::find(path.trim(), policy)?;
            let index = knobs.iter().position(|known| known.path == knob.path);
            let index = index.ok_or_else(|| refused(format!("`{}` is not under --over", knob.name)))?;
            let value = value.trim().parse::<f64>().ok().filter(|value| value.is_finite());
            point[index] = value.ok_or_else(|| refused(format!("`{part}` has no number")))?;
        }
        Knob::turn_all(knobs, policy, &point)?;
        Ok(point)
    }
    /// The parameter at this path, without a range.
    pub fn find(path: &str, policy: &PolicyParams) -> Result<Knob, KnobError> {
        let short = path.strip_prefix(&format!("policies.{}.", policy.name)).unwrap_or(path);
        let own = match policy.gateways {
            GatewayPlacement::Central(_) => "central",
            GatewayPlacement::PerRegion => "replica",
        };
        let stages = [
            policy.global.as_ref().map(|spec| ("global", Stage::Global, spec)),
            Some((own, Stage::Replica, &policy.replica)),
        ];
        let (mut found, mut known) = (Vec::new(), Vec::new());
        for (word, stage, spec) in stages.into_iter().flatten() {
            let (kind, params) = written(spec);
            let mut all = Vec::new();
            numbers(&params, "", &mut all);
            let rest = short.strip_prefix(&format!("{word}.")).unwrap_or(short);
            let rest = rest.strip_prefix(&format!("{kind}.")).unwrap_or(rest);
            let defaults = PolicySpec::from_name(&kind).map(|spec| written(&spec).1);
            if let Some((name, start)) = all.iter().find(|(name, _)| name == rest) {
                let pointer = format!("/{kind}/{}", name.replace('.', "/"));
                let inner = format!("/{}", name.replace('.', "/"));
                let value = params.pointer(&inner);
                let whole = value.is_some_and(|value| value.is_u64() || value.is_i64());
                found.push(Knob {
                    name: name.clone(),
                    path: format!("policies.{}.{word}.{kind}.{name}", policy.name),
                    axis: Axis { low: *start, high: *start, scale: Scale::Linear, whole },
                    start: *start,
                    default: defaults.and_then(|params| params.pointer(&inner).and_then(Value::as_f64)),
                    stage,
                    pointer,
                });
            }
            known.extend(all.into_iter().map(|(name, _)| name));
        }
        if found.len() > 1 {
            let paths: Vec<&str> = found.iter().map(|knob| knob.path.as_str()).collect();
            return Err(KnobError(format!("`{path}` is in both stages; write {}", paths.join(" or "))));
        }
        found.pop().ok_or_else(|| {
            if known.is_empty() {
                return KnobError(format!("policy `{}` has no number to turn", policy.name));
            }
            let hint = suggest(short, "its numbers are", known.iter().map(String::as_str));
            KnobError(format!("policy `{}` has no number `{short}`; {hint}", policy.name))
        })
    }
    /// The policy with this parameter at `value`.
    ///
    /// # Errors
    /// When the value breaks the parameter's rule.
    pub fn turned(&self, policy: &PolicyParams, value: f64) -> Result<PolicyParams, KnobError> {
        let mut policy = policy.clone();
        let spec = match self.stage {
            Stage::Replica => &mut policy.replica,
            Stage::Global => match &mut policy.global {
                Some(spec) => spec,
                None => return Ok(policy),
            },
        };
        let refused = |why: &str| KnobError(format!("`{}` cannot be {value}: {why}", self.name));
        let mut json = serde_json::to_value(&*spec).map_err(|error| refused(&error.to_string()))?;
        let place = json.pointer_mut(&self.pointer).ok_or_else(|| refused("there is no such parameter"))?;
        *place = if self.axis.whole { Value::from(value.round() as i64) } else { Value::from(value) };
        let new: PolicySpec = serde_json::from_value(json).map_err(|error| refused(&error.to_string()))?;
        if let Some(problem) = new.validate().first() {
            return Err(refused(&format!("`{}` must be {}", problem.field, problem.rule)));
        }
        *spec = new;
        Ok(policy)
    }
    /// The policy with every parameter at its value of `point`.
    ///
    /// # Errors
    /// When values break a rule together.
    pub fn turn_all(knobs: &[Knob], policy: &PolicyParams, point: &[f64]) -> Result<PolicyParams, KnobError> {
        let mut turned = policy.clone();
        for (knob, &value) in knobs.iter().zip(point) {
            turned = knob.turned(&turned, value)?;
        }
        Ok(turned)
    }
    /// Whether a policy turns its own parameters while it runs: what is searched is then where it begins.
    pub fn own_tuner(policy: &PolicyParams) -> bool {
        let stages = policy.global.iter().chain([&policy.replica]);
        stages
            .map(|spec| written(spec).1)
            .any(|params| params.get("tune").is_some_and(|tune| !tune.is_null()))
    }
    /// What `--set` takes for this value.
    pub fn set(&self, value: f64) -> String {
        format!("{}={value}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RegionId;
    use crate::time::Span;

    fn policy() -> PolicyParams {
        PolicyParams {
            name: "mine".into(),
            gateways: GatewayPlacement::Central(RegionId(0)),
            global: None,
            replica: PolicySpec::from_name("gorgo").unwrap(),
            decision_time: Span::ZERO,
            workers: 0,
            gateways_per_region: 1,
            views: Default::default(),
            admission: None,
        }
    }

    fn knob(text: &str) -> Result<Knob, String> {
        Knob::parse(text, &policy()).map_err(|error| error.0)
    }

    #[test]
    fn a_parameter_goes_by_its_short_and_its_long_name() {
        let short = knob("queue=0.01..0.5").unwrap();
        assert_eq!(short.path, "policies.mine.central.gorgo.queue");
        assert_eq!((short.start, short.default, short.axis.scale), (0.5, Some(0.5), Scale::Log));
        assert_eq!(knob("policies.mine.central.gorgo.queue=0.01..0.5").unwrap(), short);
        assert_eq!(knob("queue=0..0.5").unwrap().axis.scale, Scale::Linear);
        assert_eq!(knob("queue=0.01..0.5:linear").unwrap().axis.scale, Scale::Linear);
        let turned = short.turned(&policy(), 0.125).unwrap();
        assert_eq!(Knob::find("queue", &turned).unwrap().start, 0.125);
        assert_eq!(Knob::find("rtt", &turned).unwrap().start, 0.276, "the others stay");
        assert_eq!(short.set(0.125), "policies.mine.central.gorgo.queue=0.125");
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let p2c = PolicyParams { replica: PolicySpec::from_name("p2c").unwrap(), ..policy() };
        let choices = Knob::parse("choices=1..8", &p2c).unwrap();
        assert!(choices.axis.whole);
        assert_eq!(Knob::find("choices", &choices.turned(&p2c, 3.0).unwrap()).unwrap().start, 3.0);
        assert!(Knob::parse("choices=0..8", &p2c).unwrap_err().0.contains("choices"), "0 breaks its rule");
        assert!(Knob::parse("choices=1.5..8", &p2c).unwrap_err().0.contains("whole"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| knob(text).unwrap_err();
        assert!(wrong("queu=0.1..1").contains("did you mean `queue`"), "{}", wrong("queu=0.1..1"));
        assert!(wrong("queue").contains("range"));
        assert!(wrong("queue=1").contains("is no range"));
        assert!(wrong("queue=2..1").contains("below"));
        assert!(wrong("queue=0..1:log").contains("above 0"));
        assert!(wrong("queue=0..1:cubic").contains("no scale"));
        assert!(wrong("queue=-1..1").contains("must be"), "{}", wrong("queue=-1..1"));
        assert!(wrong("tie=0..1").contains("no number `tie`"));
    }
}
