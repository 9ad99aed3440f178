//! Prices: of a pool's GPUs, rented, reserved or owned; and of tokens where an API is the alternative.

use super::MicroUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hours of a year, leap days included.
const HOURS_PER_YEAR: f64 = 8_766.0;

/// What a GPU of a pool costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PoolPrice {
    /// The pool, `region/pool`.
    pub pool: String,
    /// Millionths of a US dollar for a GPU and an hour, discounts taken off.
    pub micro_usd_per_gpu_hour: u64,
    /// Where that is from: a row of the catalogue with its date, or the scenario.
    pub source: String,
    /// GPUs of an instance, where GPUs are paid for by whole instances; 0 is by the GPU.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gpus_per_instance: u32,
}

/// Left out where it says nothing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl PoolPrice {
    /// As money.
    pub fn gpu_hour(&self) -> MicroUsd {
        MicroUsd(self.micro_usd_per_gpu_hour)
    }
    /// GPUs that so many replicas are paid for: those they have, or those of the instances that they fill. A replica that
    /// fits in an instance lies in one; a larger one has instances of its own.
    pub fn paid_gpus(&self, replicas: u64, gpus_per_replica: u64) -> u64 {
        let instance = u64::from(self.gpus_per_instance);
        let instances = match (instance, gpus_per_replica) {
            (0, _) | (_, 0) => return replicas * gpus_per_replica,
            (instance, gpus) if gpus <= instance => replicas.div_ceil(instance / gpus),
            (instance, gpus) => replicas * gpus.div_ceil(instance),
        };
        instances * instance
    }
}

/// A share of the fleet that is bought ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reserved {
    /// How much of it, between 0 and 1.
    pub share: f64,
    /// Off its price, between 0 and 1.
    pub discount: f64,
}

impl Reserved {
    /// The mean price of a GPU-hour: `list · (1 − share · discount)`.
    pub fn price(self, list: MicroUsd) -> MicroUsd {
        MicroUsd::from_usd(list.usd() * (1.0 - self.share * self.discount))
    }
}

/// GPUs that are owned: bought, written off evenly, and supplied with power.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Owned {
    /// US dollars for a GPU with its share of host, network and building.
    pub purchase_usd: f64,
    /// Years it is written off over.
    pub years: f64,
    /// Watts it draws on the mean, with its share of the host.
    pub power_w: f64,
    /// What the building draws for each watt of that.
    pub pue: f64,
    /// US dollars for a kilowatt-hour.
    pub usd_per_kwh: f64,
}

impl Owned {
    /// A GPU-hour: `purchase / (years · 8,766) + power · PUE · price of power`.
    pub fn gpu_hour(self) -> MicroUsd {
        let written_off = self.purchase_usd / (self.years * HOURS_PER_YEAR);
        MicroUsd::from_usd(written_off + self.power_w / 1000.0 * self.pue * self.usd_per_kwh)
    }
}

/// What an API asks for a million tokens, for comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiPrices {
    /// Prompt tokens that were not cached, millionths of a dollar a million.
    pub micro_usd_input: u64,
    /// Prompt tokens that were.
    pub micro_usd_cached_input: u64,
    /// Output tokens.
    pub micro_usd_output: u64,
}

impl ApiPrices {
    /// What these tokens would have cost.
    pub fn bill(&self, prompt: u64, cached: u64, output: u64) -> MicroUsd {
        let fresh = prompt.saturating_sub(cached);
        MicroUsd(self.micro_usd_input).for_tokens(fresh)
            + MicroUsd(self.micro_usd_cached_input).for_tokens(cached)
            + MicroUsd(self.micro_usd_output).for_tokens(output)
    }
    /// What missing so many prompt tokens cost more than finding them.
    pub fn missed(&self, tokens: u64) -> MicroUsd {
        MicroUsd(self.micro_usd_input.saturating_sub(self.micro_usd_cached_input)).for_tokens(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_and_reserved_by_hand() {
        // 35,064 dollars over four years of 8,766 hours: one dollar an hour. 1,000 W at a PUE of 1.2 and 0.10: 0.12.
        let owned = Owned { purchase_usd: 35_064.0, years: 4.0, power_w: 1000.0, pue: 1.2, usd_per_kwh: 0.1 };
        assert_eq!(owned.gpu_hour(), MicroUsd(1_120_000));
        // Half of the fleet 40 % off: 20 % off the mean.
        let reserved = Reserved { share: 0.5, discount: 0.4 };
        assert_eq!(reserved.price(MicroUsd::from_usd(6.88)), MicroUsd::from_usd(5.504));
    }

    #[test]
    fn instances_are_paid_whole() {
        let paid = |gpus_per_instance, replicas, gpus| {
            let source = String::new();
            PoolPrice { pool: String::new(), micro_usd_per_gpu_hour: 1, source, gpus_per_instance }
                .paid_gpus(replicas, gpus)
        };
        assert_eq!(paid(0, 3, 2), 6, "by the GPU");
        // Of instances of 8: three pairs fill one; of three GPUs two replicas fit in one, and five take three instances.
        assert_eq!((paid(8, 3, 2), paid(8, 5, 2), paid(8, 5, 3)), (8, 16, 24));
        assert_eq!((paid(8, 2, 16), paid(8, 1, 12), paid(1, 3, 2)), (32, 16, 6));
    }

    #[test]
    fn a_tenfold_discount_makes_the_bill_a_line_in_the_hit_rate() {
        // cost(h) = input · (1 - 0.9 h): at 3.00 and 0.30, a million prompt tokens half cached are 1.65 dollars.
        let api = ApiPrices {
            micro_usd_input: 3_000_000,
            micro_usd_cached_input: 300_000,
            micro_usd_output: 15_000_000,
        };
        for (cached, usd) in [(0, 3.0), (500_000, 1.65), (1_000_000, 0.3)] {
            assert_eq!(api.bill(1_000_000, cached, 0).usd(), usd);
            assert_eq!((api.bill(1_000_000, cached, 0) + api.missed(cached)).usd(), 3.0);
        }
        assert_eq!(api.bill(0, 0, 1_000_000).usd(), 15.0);
    }
}
