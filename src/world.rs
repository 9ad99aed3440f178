//! The composition root: regions, network, gateways and replicas under one clock. Knows all parts and what each
//! event means; must not know files, scenarios or reports. `params` is what it is built from.

pub mod params;

pub use params::{
    ClassParams, GatewayPlacement, Isolation, OriginParams, PolicyParams, PoolParams, RegionParams,
    ResidencyParams, SloParams, WorldParams,
};
