//! A checked TOML value as serde reads it. Knows TOML and where everything stands; must not know what any key means. One
//! type for tables, arrays and plain values, which offers a reader no more than it asked for: a general reader of TOML
//! is compiled several times over for every type that is read, which was a ninth of this program.

use super::diagnostic::Place;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use std::fmt::{self, Display};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a reader did not like, and where.
#[derive(Debug)]
pub(super) struct Misread {
    pub(super) message: String,
    /// None until somebody knows.
    pub(super) place: Option<Place>,
}

impl Misread {
    /// It stands there, unless somebody knew better.
    fn at(mut self, place: Place) -> Misread {
        self.place.get_or_insert(place);
        self
    }
}
impl Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl std::error::Error for Misread {}
impl Error for Misread {
    fn custom<T: Display>(message: T) -> Misread {
        Misread { message: message.to_string(), place: None }
    }
}

/// A value.
#[derive(Clone, Copy)]
pub(super) struct Located<'v>(pub(super) &'v Spanned<DeValue<'v>>);

impl<'v> Located<'v> {
    fn value(self) -> &'v DeValue<'v> {
        self.0.get_ref()
    }
    fn here<T>(self, read: Result<T, Misread>) -> Result<T, Misread> {
        read.map_err(|error| error.at(self.0.span()))
    }
    /// Something else was wanted.
    #[cold]
    fn unwanted(self, wanted: &dyn serde::de::Expected) -> Misread {
        let found = match self.value() {
            DeValue::Table(_) => Unexpected::Map,
            DeValue::Array(_) => Unexpected::Seq,
            DeValue::Datetime(_) => Unexpected::Other("a date"),
            DeValue::String(text) => Unexpected::Str(text),
            DeValue::Boolean(value) => Unexpected::Bool(*value),
            DeValue::Integer(_) => Unexpected::Other("an integer"),
            DeValue::Float(_) => Unexpected::Other("a number with a fraction"),
        };
        Misread::invalid_type(found, wanted).at(self.0.span())
    }
    fn scalar<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Misread> {
        let read = match self.value() {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Boolean(value) => visitor.visit_bool(*value),
            DeValue::Integer(integer) => {
                let (digits, radix) = (integer.as_str(), integer.radix());
                if let Ok(number) = i64::from_str_radix(digits, radix) {
                    visitor.visit_i64(number)
                } else if let Ok(number) = u64::from_str_radix(digits, radix) {
                    visitor.visit_u64(number)
                } else {
                    Err(Misread::custom("a whole number of more than 64 bits"))
                }
            }
            DeValue::Float(float) => match float.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(Misread::custom("not a number")),
            },
            DeValue::Table(_) | DeValue::Array(_) | DeValue::Datetime(_) => {
                return Err(self.unwanted(&visitor));
            }
        };
        self.here(read)
    }
    fn table<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Misread> {
        let DeValue::Table(table) = self.value() else { return Err(self.unwanted(&visitor)) };
        self.here(visitor.visit_map(Entries { rest: table.iter(), value: None }))
    }
    fn array<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Misread> {
        let DeValue::Array(array) = self.value() else { return Err(self.unwanted(&visitor)) };
        self.here(visitor.visit_seq(Items(array.iter())))
    }
}

macro_rules! forward {
    ($to:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Misread> { self.$to(visitor) })*
    };
}

impl<'v> Deserializer<'v> for Located<'v> {
    type Error = Misread;

    forward! { scalar:
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_identifier deserialize_unit
    }
    forward! { table: deserialize_map }
    forward! { array: deserialize_seq deserialize_bytes deserialize_byte_buf }

    fn deserialize_any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Misread> {
        match self.value() {
            DeValue::Table(_) => self.table(visitor),
            DeValue::Array(_) => self.array(visitor),
            _ => self.scalar(visitor),
        }
    }
    fn deserialize_ignored_any<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_unit()
    }
    fn deserialize_option<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_some(self)
    }
    fn deserialize_unit_struct<V: Visitor<'v>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.scalar(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'v>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_tuple<V: Visitor<'v>>(self, _: usize, visitor: V) -> Result<V::Value, Misread> {
        self.array(visitor)
    }
    fn deserialize_tuple_struct<V: Visitor<'v>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.array(visitor)
    }
    fn deserialize_struct<V: Visitor<'v>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.table(visitor)
    }
    fn deserialize_enum<V: Visitor<'v>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        let choice = match self.value() {
            DeValue::String(name) => Choice { name, place: self.0.span(), value: None },
            DeValue::Table(table) => match only(table) {
                Some((name, value)) => {
                    Choice { name: name.get_ref(), place: name.span(), value: Some(value) }
                }
                None => return self.here(Err(Misread::custom("a choice is a table with one key"))),
            },
            _ => return Err(self.unwanted(&visitor)),
        };
        self.here(visitor.visit_enum(choice))
    }
}

fn only<'v>(table: &'v DeTable<'v>) -> Option<(&'v Spanned<Key<'v>>, &'v Spanned<DeValue<'v>>)> {
    let mut entries = table.iter();
    entries.next().filter(|_| entries.len() == 0)
}

type Key<'v> = std::borrow::Cow<'v, str>;
/// What is left of a table.
struct Entries<'v> {
    rest: toml::map::Iter<'v, Spanned<Key<'v>>, Spanned<DeValue<'v>>>,
    value: Option<&'v Spanned<DeValue<'v>>>,
}

impl<'v> MapAccess<'v> for Entries<'v> {
    type Error = Misread;

    fn next_key_seed<K: DeserializeSeed<'v>>(&mut self, seed: K) -> Result<Option<K::Value>, Misread> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        let read = seed.deserialize(StrDeserializer::<Misread>::new(key.get_ref()));
        read.map(Some).map_err(|error| error.at(key.span()))
    }
    fn next_value_seed<S: DeserializeSeed<'v>>(&mut self, seed: S) -> Result<S::Value, Misread> {
        match self.value.take() {
            Some(value) => seed.deserialize(Located(value)),
            None => Err(Misread::custom("a value was asked for before its key")),
        }
    }
}

/// What is left of an array.
struct Items<'v>(std::slice::Iter<'v, Spanned<DeValue<'v>>>);

impl<'v> SeqAccess<'v> for Items<'v> {
    type Error = Misread;

    fn next_element_seed<S: DeserializeSeed<'v>>(&mut self, seed: S) -> Result<Option<S::Value>, Misread> {
        self.0.next().map(|value| seed.deserialize(Located(value))).transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// One of several, by name; with what belongs to it, if there is anything.
struct Choice<'v> {
    name: &'v str,
    place: Place,
    value: Option<&'v Spanned<DeValue<'v>>>,
}

impl<'v> EnumAccess<'v> for Choice<'v> {
    type Error = Misread;
    type Variant = Chosen<'v>;

    fn variant_seed<S: DeserializeSeed<'v>>(self, seed: S) -> Result<(S::Value, Chosen<'v>), Misread> {
        let read = seed.deserialize(StrDeserializer::<Misread>::new(self.name));
        Ok((read.map_err(|error| error.at(self.place))?, Chosen(self.value.map(Located))))
    }
}

/// What belongs to a choice, if there is anything.
struct Chosen<'v>(Option<Located<'v>>);

impl<'v> Chosen<'v> {
    fn wanted(self) -> Result<Located<'v>, Misread> {
        self.0.ok_or_else(|| Misread::custom("this choice is a table, not a name alone"))
    }
}

impl<'v> VariantAccess<'v> for Chosen<'v> {
    type Error = Misread;

    fn unit_variant(self) -> Result<(), Misread> {
        match self.0.map(|value| (value, value.value())) {
            None => Ok(()),
            Some((_, DeValue::Table(table))) if table.is_empty() => Ok(()),
            Some((value, _)) => Err(value.unwanted(&"nothing beside this name")),
        }
    }
    fn newtype_variant_seed<S: DeserializeSeed<'v>>(self, seed: S) -> Result<S::Value, Misread> {
        seed.deserialize(self.wanted()?)
    }
    fn tuple_variant<V: Visitor<'v>>(self, _: usize, visitor: V) -> Result<V::Value, Misread> {
        self.wanted()?.array(visitor)
    }
    fn struct_variant<V: Visitor<'v>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        self.wanted()?.table(visitor)
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::document::Document;
    use crate::scenario::raw::RawScenario;
    use serde::Deserialize;
    use std::fs;
    use std::path::Path;

    fn scenarios(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                scenarios(&path, found);
            } else if path.extension().is_some_and(|end| end == "toml") {
                found.push(path);
            }
        }
    }

    /// The general reader is the twin.
    #[test]
    fn scenarios_are_read_as_the_general_reader_of_toml_reads_them() {
        let mut files = Vec::new();
        scenarios(Path::new("scenarios"), &mut files);
        let mut read = 0;
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let theirs = toml::from_str::<RawScenario>(&text);
            let ours = Document::parse(&text).unwrap().read::<RawScenario>();
            // Suites and sweeps are other types.
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {ours:?} {theirs:?}", file.display());
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{}", file.display());
                read += 1;
            }
        }
        assert!(read >= 20, "{read} scenarios");
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        whole: u64,
        share: Option<f64>,
        #[serde(default)]
        list: Vec<i8>,
        choice: Option<Choice>,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Choice {
        Plain,
        Pair(u8, u8),
        Wrapped(bool),
        Table { word: String },
    }

    fn read(text: &str) -> Result<Sample, (String, String)> {
        let document = Document::parse(text).unwrap();
        document.read().map_err(|error| (text[error.place.unwrap()].to_owned(), error.title))
    }

    #[test]
    fn what_is_there_is_read() {
        let with = |choice: Option<Choice>| Sample { whole: 7, share: Some(2.0), list: vec![1, -2], choice };
        let text = "whole = 0x7\nshare = 2\nlist = [1, -2]\n";
        assert_eq!(read(text), Ok(with(None)));
        for (written, choice) in [
            ("'plain'", Choice::Plain),
            ("{ plain = {} }", Choice::Plain),
            ("{ pair = [1, 2] }", Choice::Pair(1, 2)),
            ("{ wrapped = true }", Choice::Wrapped(true)),
            ("{ table = { word = 'w' } }", Choice::Table { word: "w".into() }),
        ] {
            assert_eq!(read(&format!("{text}choice = {written}")), Ok(with(Some(choice))));
        }
        assert_eq!(read("whole = 1").unwrap(), Sample { whole: 1, share: None, list: vec![], choice: None });
    }

    #[test]
    fn a_mistake_stands_where_it_was_made() {
        for (text, place, told) in [
            ("whole = 'x'", "'x'", "invalid type: string \"x\", expected u64"),
            ("whole = -1", "-1", "invalid value: integer `-1`, expected u64"),
            ("whole = 99_999_999_999_999_999_999", "99_999_999_999_999_999_999", "more than 64 bits"),
            ("whole = 1\nlist = [1, 2.5]", "2.5", "floating point `2.5`"),
            ("whole = 1\nlist = 3", "3", "an integer, expected a sequence"),
            ("whole = 1\nother = 2", "other", "unknown field `other`"),
            ("whole = 1\nchoice = 'plane'", "'plane'", "unknown variant `plane`"),
            ("whole = 1\nchoice = { pare = 1 }", "pare", "unknown variant `pare`"),
            ("whole = 1\nchoice = 'wrapped'", "'wrapped'", "a table, not a name alone"),
            ("whole = 1\nchoice = { plain = 3 }", "3", "nothing beside this name"),
            (
                "whole = 1\nchoice = { plain = {}, wrapped = true }",
                "{ plain = {}, wrapped = true }",
                "one key",
            ),
            ("whole = 1979-05-27", "1979-05-27", "a date"),
        ] {
            let (found, title) = read(text).unwrap_err();
            assert_eq!(found, place, "{text}: {title}");
            assert!(title.contains(told), "{text}: {title}");
        }
        assert!(read("share = 1").unwrap_err().1.contains("missing field `whole`"));
    }
}
