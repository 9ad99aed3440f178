//! Random round trips drawn from a key: equal keys give equal times, whatever happened before. Knows one log-normal and
//! one exponential; must not know regions. `libm` keeps the bits equal on every platform.

use super::params::{JitterParams, LastMileParams};
use crate::rng::Key;
use crate::time::Span;

/// A standard normal from two uniforms of the key (Box and Muller, 1958).
fn normal(key: Key) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - key.at(0).unit())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * key.at(1).unit())
}

/// A sample with this median: `median × e^(sigma × normal)`.
fn log_normal(median: Span, sigma: f64, key: Key) -> Span {
    // Nothing times anything is nothing.
    if sigma == 0.0 || median == Span::ZERO {
        return median;
    }
    Span((median.0 as f64 * libm::exp(sigma * normal(key))).round() as u64)
}

/// An exponential sample with this mean.
fn exponential(mean: Span, key: Key) -> Span {
    Span((-libm::log(1.0 - key.unit()) * mean.0 as f64).round() as u64)
}

/// A round trip with jitter.
pub fn round_trip(base: Span, params: &JitterParams, key: Key) -> Span {
    if params.is_none() {
        return base;
    }
    let rtt = log_normal(base, params.sigma, key.at(0));
    // `unit` is below one, so a probability of zero never spikes and one always does.
    if key.at(1).unit() < params.spike_probability {
        return rtt + exponential(params.spike_mean, key.at(2));
    }
    rtt
}

/// A round trip over the last mile.
pub fn last_mile(params: &LastMileParams, key: Key) -> Span {
    log_normal(params.median_rtt, params.sigma, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u64 = 40_000;

    fn sorted(draw: impl Fn(Key) -> Span) -> Vec<f64> {
        let root = Key::root(3).named("jitter");
        let mut ms: Vec<f64> = (0..N).map(|i| draw(root.at(i)).as_ms_f64()).collect();
        ms.sort_by(f64::total_cmp);
        ms
    }

    #[test]
    fn the_last_mile_has_the_quantiles_of_its_log_normal() {
        // Median 12 ms and σ 0.5: the 2.5 % and 97.5 % quantiles are 12·e^(∓1.959964·0.5) = 4.504 and 31.97 ms. The
        // standard error of a quantile q is sqrt(q(1-q)/n)/density: at n = 40,000 0.0376 ms (median, density
        // 0.3989/(0.5·12)), and 0.6685 % of the value at the two others (density 0.05845/(0.5·x)). Four of them each.
        let ms = sorted(|key| last_mile(&LastMileParams::WIRED, key));
        let at = |q: f64| ms[(q * N as f64) as usize];
        assert!((at(0.5) - 12.0).abs() < 4.0 * 0.0376, "median {}", at(0.5));
        assert!((at(0.025) / 4.5041 - 1.0).abs() < 4.0 * 0.006685, "2.5 % {}", at(0.025));
        assert!((at(0.975) / 31.971 - 1.0).abs() < 4.0 * 0.006685, "97.5 % {}", at(0.975));
    }

    #[test]
    fn spikes_come_as_often_and_as_long_as_asked() {
        // Without σ a round trip above its base is a spike. 40,000 draws at p = 0.05: 2,000 ± 4·sqrt(40,000·0.05·0.95)
        // = 43.6 each; mean 20 ms with standard error 20/sqrt(2000) = 0.447 ms, four of them.
        let params = JitterParams { sigma: 0.0, spike_probability: 0.05, spike_mean: Span::from_ms(20) };
        let ms = sorted(|key| round_trip(Span::from_ms(80), &params, key));
        let spikes: Vec<f64> = ms.iter().map(|ms| ms - 80.0).filter(|&extra| extra > 0.0).collect();
        assert!((spikes.len() as f64 - 2_000.0).abs() < 4.0 * 43.6, "{} spikes", spikes.len());
        let mean = spikes.iter().sum::<f64>() / spikes.len() as f64;
        assert!((mean - 20.0).abs() < 4.0 * 0.447, "mean {mean} ms");
    }

    #[test]
    fn no_jitter_is_exact_and_equal_keys_are_equal() {
        let key = Key::root(1).named("request");
        assert_eq!(round_trip(Span(81_000_001), &JitterParams::NONE, key), Span(81_000_001));
        assert_eq!(last_mile(&LastMileParams::NONE, key), Span::ZERO);
        let draw = |key| round_trip(Span::from_ms(80), &JitterParams::INTER_CLOUD, key);
        assert_eq!(draw(key), draw(key));
        assert_ne!(draw(key), draw(key.at(1)));
    }
}
