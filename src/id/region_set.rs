//! A set of regions: what residency rules are made of.

use super::{Id, RegionId};
use serde::{Serialize, Serializer};

/// A set of up to 128 regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct RegionSet(u128);

impl Serialize for RegionSet {
    /// The regions' ids, or `"any"` for all of them: JSON has no 128-bit numbers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == RegionSet::ALL {
            return serializer.serialize_str("any");
        }
        serializer
            .collect_seq((0..Self::MAX_REGIONS).map(RegionId::new).filter(|&region| self.contains(region)))
    }
}

impl RegionSet {
    /// The most regions a scenario can have.
    pub const MAX_REGIONS: usize = 128;
    /// No region.
    pub const NONE: RegionSet = RegionSet(0);
    /// Every region, also those to come.
    pub const ALL: RegionSet = RegionSet(u128::MAX);

    /// Whether it holds `region`.
    #[inline]
    pub fn contains(self, region: RegionId) -> bool {
        self.0 >> region.index() & 1 == 1
    }
    /// Adds `region`.
    pub fn insert(&mut self, region: RegionId) {
        assert!(region.index() < Self::MAX_REGIONS, "region {} of at most 128", region.index());
        self.0 |= 1 << region.index();
    }
    /// The regions in both sets.
    pub fn and(self, other: RegionSet) -> RegionSet {
        RegionSet(self.0 & other.0)
    }
    /// The regions that are in this set and not in the other.
    pub fn without(self, other: RegionSet) -> RegionSet {
        RegionSet(self.0 & !other.0)
    }
    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<RegionId> for RegionSet {
    fn from_iter<T: IntoIterator<Item = RegionId>>(regions: T) -> Self {
        let mut set = RegionSet::NONE;
        regions.into_iter().for_each(|region| set.insert(region));
        set
    }
}
