//! A scenario's text and where everything stands in it. Knows TOML; must not know what any key means. Other parts
//! name a value by its path, and this finds the caret: the readers themselves need not carry positions about.

use super::diagnostic::{Diagnostic, Place};
use super::located::Located;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest scenario that is read, in bytes: longer ones are a mistake (a trace given as a scenario).
pub const MAX_BYTES: usize = 4 << 20;

/// A parsed scenario.
#[derive(Clone, Debug)]
pub struct Document<'t> {
    root: Spanned<DeValue<'t>>,
}

/// Whether a caret stands at a key or at its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At the key.
    Key,
    /// At the value.
    Value,
}

impl<'t> Document<'t> {
    /// Parses `text`; all syntax errors at once.
    pub fn parse(text: &'t str) -> Result<Document<'t>, Vec<Diagnostic>> {
        if text.len() > MAX_BYTES {
            let title = format!("a scenario has at most {MAX_BYTES} bytes; this file has {}", text.len());
            return Err(vec![
                Diagnostic::error_of_file(title).help("is this a trace? name it in `[workloads.NAME.trace]`"),
            ]);
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // One slip often breaks what follows it; the first few are the ones to mend.
            const SHOWN: usize = 8;
            let mut items: Vec<Diagnostic> = errors.iter().map(syntax).collect();
            items.sort_by_key(|item| item.place.as_ref().map_or(0, |place| place.start));
            items.dedup_by_key(|item| item.place.clone());
            items.truncate(SHOWN);
            return Err(items);
        }
        let span = table.span();
        Ok(Document { root: Spanned::new(span, DeValue::Table(table.into_inner())) })
    }

    /// The whole document, to check and to prune.
    pub fn root_mut(&mut self) -> &mut Spanned<DeValue<'t>> {
        &mut self.root
    }

    /// The document as a typed value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Box<Diagnostic>> {
        T::deserialize(Located(&self.root)).map_err(|error| {
            Box::new(Diagnostic::error(error.place.unwrap_or_else(|| self.root.span()), error.message))
        })
    }

    /// Where the value (or the key) at `path` stands; where there is none, what is nearest above it.
    pub fn place(&self, path: &[&str], at: At) -> Place {
        let mut value = &self.root;
        let mut place = 0..0;
        for part in path {
            let next = match value.get_ref() {
                DeValue::Table(table) => table.get_key_value(*part).map(|(key, value)| (key.span(), value)),
                DeValue::Array(array) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| array.get(index))
                    .map(|value| (value.span(), value)),
                _ => None,
            };
            let Some((key, next)) = next else { return place };
            let whole = matches!(next.get_ref(), DeValue::Table(_)) || at == At::Key;
            place = if whole { key } else { next.span() };
            value = next;
        }
        place
    }

    /// Whether there is something at `path`.
    pub fn has(&self, path: &[&str]) -> bool {
        let mut value = self.root.get_ref();
        path.iter().all(|part| match value.as_table().and_then(|table| table.get(*part)) {
            Some(next) => {
                value = next.get_ref();
                true
            }
            None => false,
        })
    }

    /// Whether `at` lies in what is written at `path`, keys and values.
    pub fn covers(&self, path: &[&str], at: &Place) -> bool {
        let mut value = &self.root;
        for part in path {
            match value.get_ref().as_table().and_then(|table| table.get(*part)) {
                Some(next) => value = next,
                None => return false,
            }
        }
        covers(value, at.start)
    }

    /// The keys of the table at `path`, in file order.
    pub fn names(&self, path: &[&str]) -> Vec<String> {
        let mut value = self.root.get_ref();
        for part in path {
            match value.as_table().and_then(|table| table.get(*part)) {
                Some(next) => value = next.get_ref(),
                None => return Vec::new(),
            }
        }
        let Some(table) = value.as_table() else { return Vec::new() };
        let mut keys: Vec<_> =
            table.keys().map(|key| (key.span().start, key.get_ref().to_string())).collect();
        keys.sort();
        keys.into_iter().map(|key| key.1).collect()
    }
}

fn covers(value: &Spanned<DeValue<'_>>, at: usize) -> bool {
    value.span().contains(&at)
        || match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().any(|(key, value)| key.span().contains(&at) || covers(value, at))
            }
            DeValue::Array(array) => array.iter().any(|value| covers(value, at)),
            _ => false,
        }
}

fn syntax(error: &toml::de::Error) -> Diagnostic {
    let message = error.message().replace('\n', "; ");
    let item = match error.span() {
        Some(place) => Diagnostic::error(place, format!("not TOML: {message}")),
        None => Diagnostic::error_of_file(format!("not TOML: {message}")),
    };
    if message.contains("duplicate") {
        item.label("already given above").help("keep one of the two")
    } else {
        item.label("here").help("strings need quotes, tables `[brackets]`, inline tables `{ braces }`")
    }
}
