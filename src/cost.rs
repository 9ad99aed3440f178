//! What a fleet costs: GPU-hours and bytes at a price, and the price of misses in an API's terms. Knows prices and integer
//! money; must not know how requests were served. Sums are of whole millionths of a dollar, so that parts add up to their
//! total exactly.

mod egress;
mod money;
mod price_book;
mod share;

pub use egress::{EgressRates, FRAMING_BYTES_PER_TOKEN, INTERNET, LinkPrice, TEXT_BYTES_PER_TOKEN};
pub use money::MicroUsd;
pub use price_book::{ApiPrices, Owned, PoolPrice, Reserved};
