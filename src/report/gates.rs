//! What became of a scenario's gates, as lines under the table. Knows results of gates; must not know how they are held.

use super::summary::GateSummary;
use std::fmt::Write;

/// A value as people read it.
pub fn shown(value: f64, unit: &str) -> String {
    match unit {
        "share" => format!("{:.2} %", value * 100.0),
        unit if value.abs() >= 1000.0 => format!("{value:.0} {unit}"),
        unit => format!("{value:.2} {unit}"),
    }
}

/// The value of a gate, `~` before one that stands on too few samples.
pub(super) fn value(gate: &GateSummary) -> String {
    match gate.value {
        Some(value) => format!("{}{}", if gate.reliable { "" } else { "~" }, shown(value, &gate.unit)),
        None => "no request has a value".to_string(),
    }
}

/// The lines; nothing where there is no gate.
pub fn render(gates: &[GateSummary], colour: bool) -> String {
    let mut out = String::new();
    let width =
        |of: fn(&GateSummary) -> &str| gates.iter().map(|gate| of(gate).chars().count()).max().unwrap_or(0);
    let (bounds, policies) = (width(|gate| &gate.gate), width(|gate| &gate.policy));
    for gate in gates {
        let (word, code) = if gate.holds { ("holds   ", "32") } else { ("BREACHED", "31") };
        let (on, off) = if colour { (format!("\x1b[{code}m"), "\x1b[0m") } else { (String::new(), "") };
        let _ = writeln!(
            out,
            "gate {on}{word}{off}  {:bounds$}  {:policies$}  {}",
            gate.gate,
            gate.policy,
            value(gate)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_gate_policy_and_value() {
        let gate = |policy: &str, value, holds, reliable| GateSummary {
            policy: policy.into(),
            gate: "ttft.p99 < 800ms".into(),
            value,
            unit: "ms".into(),
            holds,
            reliable,
        };
        let all = [
            gate("a", Some(1234.5), false, false),
            gate("long", Some(80.0), true, true),
            gate("b", None, false, true),
        ];
        assert_eq!(
            render(&all, false),
            "gate BREACHED  ttft.p99 < 800ms  a     ~1234 ms\n\
             gate holds     ttft.p99 < 800ms  long  80.00 ms\n\
             gate BREACHED  ttft.p99 < 800ms  b     no request has a value\n"
        );
        assert_eq!(render(&[], true), "");
    }
}
