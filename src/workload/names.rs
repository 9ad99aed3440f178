//! What the trace readers share for names: sessions and tenants by any name, as numbers in order of appearance.

use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// A name that a file writes as text or as an integer.
pub(super) struct Name<'a>(Cow<'a, str>);

impl Name<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> serde::Deserialize<'de> for Name<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Name<'a>, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Name<'de>;
            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("a name or an integer")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(number.to_string())))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(number.to_string())))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// Numbers for names, from 1, in order of appearance.
#[derive(Default)]
pub(super) struct Numbers {
    known: FxHashMap<Box<str>, u64>,
}

impl Numbers {
    pub(super) fn number(&mut self, name: &str) -> u64 {
        if let Some(&number) = self.known.get(name) {
            return number;
        }
        let number = self.known.len() as u64 + 1;
        self.known.insert(name.into(), number);
        number
    }
    pub(super) fn get(&self, name: &str) -> Option<u64> {
        self.known.get(name).copied()
    }
}
