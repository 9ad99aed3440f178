//! How long a message takes. Knows resolved parameters and keys; must not know requests. Stateless: flows do not share
//! bandwidth and messages do not queue, each is alone on its path.

use super::jitter;
use super::params::{Connection, JitterParams, LastMileParams, NetworkParams};
use crate::id::{Id, RegionId};
use crate::rng::Key;
use crate::time::{NS_PER_SEC, Span};

/// The network between regions.
#[derive(Clone, Debug)]
pub struct Network {
    regions: usize,
    rtt: Vec<Span>,
    jitter: JitterParams,
    bandwidth_bytes_per_s: Option<u64>,
    bytes_per_token: u32,
    initial_window_bytes: Option<u32>,
}

/// Why a network cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// A matrix that is not square.
    #[error("the round-trip matrix has {rows} rows, but row {row} has {columns} columns; it must be square")]
    NotSquare {
        /// Rows.
        rows: usize,
        /// The row that differs.
        row: usize,
        /// Its columns.
        columns: usize,
    },
    /// A number out of its range.
    #[error("{field} is {value}, but must be {rule}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
}

/// The longest round trip: a minute. Longer ones are mistaken units.
const MAX_RTT: Span = Span::from_secs(60);
/// The largest σ: beyond it one draw in forty is fifty times the median.
const MAX_SIGMA: f64 = 2.0;

impl Network {
    /// From resolved parameters.
    pub fn new(params: &NetworkParams) -> Result<Network, NetworkError> {
        let rows = params.rtt.len();
        if let Some((row, cells)) = params.rtt.iter().enumerate().find(|(_, cells)| cells.len() != rows) {
            return Err(NetworkError::NotSquare { rows, row, columns: cells.len() });
        }
        let rtt: Vec<Span> = params.rtt.iter().flatten().copied().collect();
        let fail = |field, value: String, rule| Err(NetworkError::OutOfRange { field, value, rule });
        if let Some(long) = rtt.iter().find(|&&rtt| rtt > MAX_RTT) {
            return fail("rtt", long.to_string(), "at most 60s");
        }
        let JitterParams { sigma, spike_probability, spike_mean } = params.jitter;
        if !(0.0..=MAX_SIGMA).contains(&sigma) {
            return fail("jitter.sigma", sigma.to_string(), "from 0 to 2");
        }
        if !(0.0..=1.0).contains(&spike_probability) {
            return fail("jitter.spike_probability", spike_probability.to_string(), "from 0 to 1");
        }
        if spike_mean > MAX_RTT {
            return fail("jitter.spike_mean", spike_mean.to_string(), "at most 60s");
        }
        if params.initial_window_bytes == Some(0) {
            return fail("initial_window_bytes", "0".to_owned(), "above 0, or left out for no slow start");
        }
        if params.bandwidth_bytes_per_s == Some(0) {
            return fail("bandwidth", "0".to_owned(), "above 0, or left out for no limit");
        }
        Ok(Network {
            regions: rows,
            rtt,
            jitter: params.jitter,
            bandwidth_bytes_per_s: params.bandwidth_bytes_per_s,
            bytes_per_token: params.bytes_per_token,
            initial_window_bytes: params.initial_window_bytes,
        })
    }

    /// The base round trip, without jitter.
    #[inline]
    pub fn rtt(&self, from: RegionId, to: RegionId) -> Span {
        assert!(to.index() < self.regions, "region {} of {}", to.index(), self.regions);
        self.rtt[from.index() * self.regions + to.index()]
    }
    /// Bytes on the wire for so many tokens.
    #[inline]
    pub fn bytes(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(u64::from(self.bytes_per_token))
    }
    /// The round trip as `key` draws it.
    #[inline]
    pub fn round_trip(&self, from: RegionId, to: RegionId, key: Key) -> Span {
        jitter::round_trip(self.rtt(from, to), &self.jitter, key)
    }
    /// The way out of a message: ⌊RTT/2⌋ of the round trip drawn, those of slow start, then its bytes.
    #[inline]
    pub fn forward(&self, from: RegionId, to: RegionId, bytes: u64, key: Key) -> Span {
        let rtt = self.round_trip(from, to, key);
        split(rtt).0 + self.slow_start(rtt, bytes) + self.serialisation(bytes)
    }
    /// The way back over the path from `from` to `to`: the rest of the round trip drawn, then its bytes. With one key
    /// for both ways, or without jitter, the two add up to the round trip exactly.
    #[inline]
    pub fn back(&self, from: RegionId, to: RegionId, bytes: u64, key: Key) -> Span {
        split(self.round_trip(from, to, key)).1 + self.serialisation(bytes)
    }
    /// [`Network::forward`] and [`Network::back`] of one key, from one draw.
    #[inline]
    pub fn both_ways(
        &self,
        from: RegionId,
        to: RegionId,
        bytes_out: u64,
        bytes_back: u64,
        key: Key,
    ) -> (Span, Span) {
        let rtt = self.round_trip(from, to, key);
        let (out, back) = split(rtt);
        let out = out + self.slow_start(rtt, bytes_out);
        (out + self.serialisation(bytes_out), back + self.serialisation(bytes_back))
    }
    /// The round trips that a message waits for acknowledgements: with a window of w bytes at first, n flights carry
    /// w (2ⁿ − 1), and each but the last waits for one round trip. The connection is taken to have been idle for longer
    /// than its retransmission timeout, after which it begins at the initial window again (RFC 5681, 4.1).
    #[inline]
    fn slow_start(&self, rtt: Span, bytes: u64) -> Span {
        let Some(window) = self.initial_window_bytes else { return Span::ZERO };
        let (mut flight, mut left, mut waits) = (u64::from(window), bytes, 0);
        while left > flight {
            left -= flight;
            flight = flight.saturating_mul(2);
            waits += 1;
        }
        Span(rtt.0.saturating_mul(waits))
    }
    /// The time the bytes of one message need on one flow, rounded up.
    #[inline]
    pub fn serialisation(&self, bytes: u64) -> Span {
        match self.bandwidth_bytes_per_s {
            None => Span::ZERO,
            Some(bandwidth) => {
                let ns = (u128::from(bytes) * u128::from(NS_PER_SEC)).div_ceil(u128::from(bandwidth));
                Span(u64::try_from(ns).unwrap_or(u64::MAX))
            }
        }
    }
}

/// A round trip as the way out and the way back: ⌊RTT/2⌋ and the rest.
#[inline]
pub fn split(rtt: Span) -> (Span, Span) {
    (Span(rtt.0 / 2), Span(rtt.0 - rtt.0 / 2))
}

/// Whether a last mile has numbers that can be drawn from.
pub fn check_last_mile(params: &LastMileParams) -> Result<(), NetworkError> {
    let fail = |field, value: String, rule| Err(NetworkError::OutOfRange { field, value, rule });
    if params.median_rtt > MAX_RTT {
        return fail("last_mile.median_rtt", params.median_rtt.to_string(), "at most 60s");
    }
    if !(0.0..=MAX_SIGMA).contains(&params.sigma) {
        return fail("last_mile.sigma", params.sigma.to_string(), "from 0 to 2");
    }
    Ok(())
}

/// A round trip over the last mile; `split` makes its two ways.
#[inline]
pub fn last_mile(params: &LastMileParams, key: Key) -> Span {
    jitter::last_mile(params, key)
}

/// The set-up of a connection over a path with this round trip.
#[inline]
pub fn set_up(connection: Connection, rtt: Span) -> Span {
    Span(rtt.0.saturating_mul(u64::from(connection.setup_round_trips())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: RegionId = RegionId(0);
    const B: RegionId = RegionId(1);

    fn params() -> NetworkParams {
        NetworkParams {
            rtt: vec![vec![Span::from_ms(1), Span(80_000_001)], vec![Span::from_ms(82), Span::from_ms(2)]],
            jitter: JitterParams::NONE,
            bandwidth_bytes_per_s: None,
            bytes_per_token: 6,
            initial_window_bytes: None,
        }
    }

    #[test]
    fn slow_start_waits_for_acknowledgements() {
        // Ten segments of 1,460 bytes: 14,600, then 43,800 with the second flight, 102,200 with the third.
        let network =
            Network::new(&NetworkParams { initial_window_bytes: Some(14_600), ..params() }).unwrap();
        let key = Key::root(1);
        let (half, rtt) = (Span(40_000_000), 80_000_001);
        for (bytes, waits) in
            [(0, 0), (14_600, 0), (14_601, 1), (43_800, 1), (43_801, 2), (102_200, 2), (102_201, 3)]
        {
            assert_eq!(network.forward(A, B, bytes, key), half + Span(rtt * waits), "{bytes}");
            assert_eq!(network.both_ways(A, B, bytes, 90_000, key).0, half + Span(rtt * waits), "{bytes}");
        }
        // What is streamed back comes token by token, each in a window of its own.
        assert_eq!(network.both_ways(A, B, 0, 90_000, key).1, Span(40_000_001));
        let error = Network::new(&NetworkParams { initial_window_bytes: Some(0), ..params() }).unwrap_err();
        assert!(error.to_string().contains("initial_window_bytes"), "{error}");
    }

    #[test]
    fn directions_differ_and_an_odd_nanosecond_goes_back() {
        let network = Network::new(&params()).unwrap();
        let key = Key::root(1);
        assert_eq!(network.forward(A, B, 1_000, key), Span(40_000_000));
        assert_eq!(network.back(A, B, 1_000, key), Span(40_000_001));
        assert_eq!(network.forward(B, A, 0, key), Span::from_ms(41));
        assert_eq!(network.rtt(B, B), Span::from_ms(2));
    }

    #[test]
    fn bytes_take_their_time_rounded_up() {
        // 1,000 tokens of 6 bytes at 1 MB/s are 6 ms; one byte at 3 bytes a second is a third of a second, rounded up.
        let network =
            Network::new(&NetworkParams { bandwidth_bytes_per_s: Some(1_000_000), ..params() }).unwrap();
        let bytes = network.bytes(1_000);
        assert_eq!(network.forward(A, B, bytes, Key::root(1)), Span(40_000_000 + 6_000_000));
        let slow = Network::new(&NetworkParams { bandwidth_bytes_per_s: Some(3), ..params() }).unwrap();
        assert_eq!(slow.serialisation(1), Span(333_333_334));
    }

    #[test]
    fn a_cold_tls13_connection_takes_two_round_trips() {
        assert_eq!(set_up(Connection::COLD_TLS13, Span::from_ms(80)), Span::from_ms(160));
        assert_eq!(set_up(Connection::Warm, Span::from_ms(80)), Span::ZERO);
    }

    #[test]
    fn bad_numbers_are_refused_with_their_name() {
        let ragged = NetworkParams { rtt: vec![vec![Span::ZERO; 2], vec![Span::ZERO]], ..params() };
        let error = Network::new(&ragged).unwrap_err();
        assert_eq!(error, NetworkError::NotSquare { rows: 2, row: 1, columns: 1 });
        for (sigma, spike_probability, part) in
            [(-0.1, 0.0, "sigma"), (f64::NAN, 0.0, "sigma"), (0.0, 1.5, "spike_probability")]
        {
            let jitter = JitterParams { sigma, spike_probability, spike_mean: Span::ZERO };
            let error = Network::new(&NetworkParams { jitter, ..params() }).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(check_last_mile(&LastMileParams::MOBILE), Ok(()));
        let endless = LastMileParams { median_rtt: Span::FOREVER, sigma: 0.5 };
        assert!(check_last_mile(&endless).unwrap_err().to_string().contains("median_rtt"));
        let wild = LastMileParams { sigma: f64::INFINITY, ..LastMileParams::WIRED };
        assert!(check_last_mile(&wild).unwrap_err().to_string().contains("last_mile.sigma"));
    }

    proptest! {
        #[test]
        fn the_two_ways_add_up_to_the_round_trip(ns in 0u64..10_000_000_000, seed: u64) {
            let rtt = vec![vec![Span::ZERO, Span(ns)], vec![Span(ns), Span::ZERO]];
            let still = Network::new(&NetworkParams { rtt: rtt.clone(), ..params() }).unwrap();
            let key = Key::root(seed);
            prop_assert_eq!(still.forward(A, B, 0, key.at(1)) + still.back(A, B, 0, key.at(2)), Span(ns));
            let shaky = NetworkParams { rtt, jitter: JitterParams::INTER_CLOUD, ..params() };
            let shaky = Network::new(&shaky).unwrap();
            prop_assert_eq!(shaky.forward(A, B, 0, key) + shaky.back(A, B, 0, key), shaky.round_trip(A, B, key));
        }
    }
}
