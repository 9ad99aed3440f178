//! What a network is made of, all names resolved: numbers in integers of nanoseconds and bytes. Knows nothing of
//! where the numbers came from (that is `matrix`) nor how they are used (that is `link`).

use crate::time::Span;
use serde::{Deserialize, Serialize};

/// The network between regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkParams {
    /// Round-trip times by `[from][to]`, directed; the diagonal is the round trip inside a region.
    pub rtt: Vec<Vec<Span>>,
    /// How round trips vary.
    pub jitter: JitterParams,
    /// Bandwidth of one flow in bytes per second; `None` adds no serialisation time.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// Bytes on the wire for one token of prompt or answer. Default 6: about four characters of text, with JSON
    /// and event framing on top (our choice; it matters only under a bandwidth limit).
    pub bytes_per_token: u32,
    /// What a connection may send before the first acknowledgement, in bytes: the window of TCP's slow start, which doubles
    /// with each round trip. `None` is a window that nothing exceeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_window_bytes: Option<u32>,
}

impl NetworkParams {
    /// The default of `bytes_per_token`.
    pub const DEFAULT_BYTES_PER_TOKEN: u32 = 6;
}

/// Jitter of a round trip: `rtt × LogNormal(0, sigma)`, and with `spike_probability` an exponential spike on top.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct JitterParams {
    /// Standard deviation of the logarithm, no unit; the median stays the base round trip.
    pub sigma: f64,
    /// Probability of a spike on one leg, 0 to 1.
    pub spike_probability: f64,
    /// Mean of the spike, added to the round trip.
    pub spike_mean: Span,
}

impl JitterParams {
    /// No jitter: every round trip is the base one.
    pub const NONE: JitterParams =
        JitterParams { sigma: 0.0, spike_probability: 0.0, spike_mean: Span::ZERO };
    /// Links between cloud regions: σ 0.01, one leg in a thousand with a spike of mean 20 ms. Set by hand from the
    /// mean deviation (0.3 % of the average at the median pair, 1 % at the ninetieth percentile) and maximum of
    /// published ping series between AWS and GCP regions; no distribution was fitted.
    pub const INTER_CLOUD: JitterParams =
        JitterParams { sigma: 0.01, spike_probability: 1e-3, spike_mean: Span::from_ms(20) };

    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        self.sigma == 0.0 && (self.spike_probability == 0.0 || self.spike_mean == Span::ZERO)
    }
}

/// The last mile: the round trip between a client and the edge of the network, `LogNormal` around a median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastMileParams {
    /// The median round trip.
    pub median_rtt: Span,
    /// Standard deviation of the logarithm, no unit.
    pub sigma: f64,
}

impl LastMileParams {
    /// No last mile: clients sit in the region.
    pub const NONE: LastMileParams = LastMileParams { median_rtt: Span::ZERO, sigma: 0.0 };
    /// Fixed lines: median 12 ms, σ 0.5 (our assumption, in keeping with probe studies that see most European fixed
    /// clients within 20 ms of a local cloud site).
    pub const WIRED: LastMileParams = LastMileParams { median_rtt: Span::from_ms(12), sigma: 0.5 };
    /// Mobile networks: median 35 ms, σ 0.6 (our assumption: the wireless hop adds 20 to 25 ms at the median).
    pub const MOBILE: LastMileParams = LastMileParams { median_rtt: Span::from_ms(35), sigma: 0.6 };

    /// The names of the presets.
    pub const PRESETS: [&'static str; 3] = ["wired", "mobile", "none"];
    /// The preset called `name`.
    pub fn preset(name: &str) -> Option<LastMileParams> {
        match name {
            "wired" => Some(Self::WIRED),
            "mobile" => Some(Self::MOBILE),
            "none" => Some(Self::NONE),
            _ => None,
        }
    }
}

/// Whether a request finds an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connection {
    /// Pooled or kept alive: no set-up.
    Warm,
    /// A new one for every request: so many round trips before the request leaves.
    Cold {
        /// Round trips of set-up.
        setup_round_trips: u32,
    },
}

impl Connection {
    /// TCP (one round trip) and TLS 1.3 (one more), RFC 9293 and RFC 8446.
    pub const COLD_TLS13: Connection = Connection::Cold { setup_round_trips: 2 };
    /// TCP and TLS 1.2 (two round trips), RFC 5246.
    pub const COLD_TLS12: Connection = Connection::Cold { setup_round_trips: 3 };
    /// QUIC without resumption, RFC 9000.
    pub const COLD_QUIC: Connection = Connection::Cold { setup_round_trips: 1 };

    /// Round trips before the request leaves.
    pub const fn setup_round_trips(self) -> u32 {
        match self {
            Connection::Warm => 0,
            Connection::Cold { setup_round_trips } => setup_round_trips,
        }
    }
}
