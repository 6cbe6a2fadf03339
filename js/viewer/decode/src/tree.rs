//! A JSON document in memory, of a size that is bounded while it is read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::limits::Count;

pub enum Tree<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    /// In the order of the document. Few members each: a list takes a third of what a map does.
    Object(Vec<(Cow<'a, str>, Tree<'a>)>),
}

/// The document of a body. What [`Count`] finds too much ends the reading with an error.
pub fn read<'a>(body: &'a [u8], count: &mut Count) -> Result<Tree<'a>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let tree = Reader(count).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(tree)
}

impl<'a> Tree<'a> {
    /// The member of an object; of two with one name the last.
    pub fn get(&self, name: &str) -> Option<&Tree<'a>> {
        match self {
            Tree::Object(members) => members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Tree::Null)
    }

    /// Writes JSON until there is more than `max_chars` of it.
    pub fn write_start(&self, max_chars: usize, out: &mut String) {
        let write_text = |text: &str, out: &mut String| {
            let start: String = text.chars().take(max_chars).collect();
            out.push_str(&serde_json::Value::from(start).to_string());
        };
        match self {
            Tree::Null => out.push_str("null"),
            Tree::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
            Tree::Number(number) => out.push_str(&number.to_string()),
            Tree::Text(text) => write_text(text, out),
            Tree::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if out.len() > 4 * max_chars {
                        return;
                    }
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write_start(max_chars, out);
                }
                out.push(']');
            }
            Tree::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if out.len() > 4 * max_chars {
                        return;
                    }
                    out.push_str(if index > 0 { "," } else { "" });
                    write_text(key, out);
                    out.push(':');
                    value.write_start(max_chars, out);
                }
                out.push('}');
            }
        }
    }
}

struct Reader<'c>(&'c mut Count);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Tree<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree<'de>, D::Error> {
        self.0.add_value().map_err(D::Error::custom)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Tree<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Bool(yes))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree<'de>, E> {
        Ok(Number::from_f64(number).map_or(Tree::Null, Tree::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(text.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Reader(self.0))? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = members.next_key_seed(Key)? {
            object.push((key, members.next_value_seed(Reader(self.0))?));
        }
        Ok(Tree::Object(object))
    }
}

/// The name of a member. `Cow` by itself would always be a copy.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.into()))
    }
}
