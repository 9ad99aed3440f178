//! What a fleet costs: GPU-hours at a price, the price of misses in an API's terms. Knows prices and integer money; must
//! not know how requests were served. Sums are of whole millionths of a dollar, so that parts add up to their total
//! exactly.

mod money;
mod price_book;

pub use money::MicroUsd;
pub use price_book::{ApiPrices, Owned, PoolPrice, Reserved};
