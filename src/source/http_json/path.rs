//! JSONPath (RFC 9535) with a bound on what it costs: which places of an answer hold rows.
//!
//! `serde_json_path` reads a path and evaluates its filters and slices. It would follow a whole path at once, however
//! many places that finds; so a path is cut into its segments, and each is followed here, place by place, with every
//! look at a value counted.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::error::{Category, Error, Result};

/// Longest path, in bytes.
const MAX_BYTES: usize = 1_000;
/// How deeply brackets and parentheses may be nested: what one segment costs grows with it.
const MAX_NESTING: usize = 6;
/// The most ways to the same place: `[*,*]` finds everything twice, and three of them eight times.
const MAX_ALTERNATIVES: usize = 16;
/// The most places that a path may find on its way.
const MAX_PLACES: usize = 500_000;
/// The most looks at values, of which a filter takes one for each `@`.
const MAX_LOOKS: usize = 5_000_000;

/// A JSONPath from the whole of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Path {
    text: String,
    segments: Vec<Segment>,
}

/// One segment: from each place to places below.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    text: String,
    /// Whether it is looked for in everything below a place, and not in that place alone.
    descends: bool,
    selects: Selects,
    /// What one value that it looks at costs.
    looks: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selects {
    Name(String),
    All,
    /// Anything else, as a path of this one segment.
    Other(JsonPath),
}

/// Where a place is, seen from the one above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'t> {
    Top,
    Name(&'t str),
    Index(u32),
}

#[derive(Debug, Clone, Copy)]
struct Stop<'t> {
    /// No more than [`MAX_PLACES`], and so small: there are many of these.
    above: u32,
    key: Key<'t>,
    value: &'t Value,
}

/// What a path found: places, each with the way to it.
#[derive(Debug)]
pub(super) struct Found<'t> {
    stops: Vec<Stop<'t>>,
    places: Vec<usize>,
    /// The segment that found nothing where it should have, if one did.
    pub(super) lost_at: Option<String>,
}

/// One place that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'f, 't> {
    stops: &'f [Stop<'t>],
    at: usize,
}

impl<'t> Found<'t> {
    /// In the order of RFC 9535, but that members of objects are sorted by their names.
    pub(super) fn places(&self) -> impl Iterator<Item = Place<'_, 't>> {
        self.places.iter().map(|at| Place { stops: &self.stops, at: *at })
    }

    /// The one place that `keys` lead to; `None` if there is none.
    pub(super) fn one(tree: &'t Value, keys: impl IntoIterator<Item = Key<'t>>) -> Option<Self> {
        let mut found = Self::top(tree);
        let mut value = tree;
        for key in keys {
            value = match key {
                Key::Top => value,
                Key::Name(name) => value.get(name)?,
                Key::Index(index) => value.get(index as usize)?,
            };
            let above = (found.stops.len() - 1) as u32;
            found.stops.push(Stop { above, key, value });
        }
        found.places = vec![found.stops.len() - 1];
        Some(found)
    }

    /// Takes a place that was found right below the stop `above`.
    fn arrive(&mut self, above: usize, key: Key<'t>, value: &'t Value) {
        self.places.push(self.stops.len());
        self.stops.push(Stop { above: above as u32, key, value });
    }

    fn top(tree: &'t Value) -> Self {
        Self { stops: vec![Stop { above: 0, key: Key::Top, value: tree }], places: vec![0], lost_at: None }
    }
}

impl<'t> Place<'_, 't> {
    pub(super) fn value(&self) -> &'t Value {
        self.stops[self.at].value
    }

    pub(super) fn key(&self) -> Key<'t> {
        self.stops[self.at].key
    }

    /// The place so many levels above; `None` above the whole answer.
    pub(super) fn above(mut self, levels: usize) -> Option<Self> {
        for _ in 0..levels {
            if self.key() == Key::Top {
                return None;
            }
            self.at = self.stops[self.at].above as usize;
        }
        Some(self)
    }
}

impl Path {
    /// The places in `tree` that this path leads to.
    ///
    /// # Errors
    /// [`Category::Limit`] if that are too many, or finding them costs too much.
    pub(super) fn find<'t>(&self, tree: &'t Value) -> Result<Found<'t>> {
        let mut found = Found::top(tree);
        let mut looks = 0;
        for segment in &self.segments {
            let from = std::mem::take(&mut found.places);
            let mut is_lost = segment.expects();
            for at in from {
                let value = found.stops[at].value;
                // An empty list, which holds nothing, whatever a wildcard looks for; or how some write one.
                is_lost &= !matches!(value, Value::Null);
                is_lost &= !(matches!(segment.selects, Selects::All) && is_empty(value));
                self.follow(segment, at, &mut found, &mut looks)?;
            }
            if found.places.is_empty() {
                found.lost_at = is_lost.then(|| segment.text.clone());
                break;
            }
        }
        Ok(found)
    }

    fn follow<'t>(
        &self,
        segment: &Segment,
        at: usize,
        found: &mut Found<'t>,
        looks: &mut usize,
    ) -> Result<()> {
        let mut left = vec![at];
        while let Some(at) = left.pop() {
            self.select(segment, at, found, looks)?;
            if segment.descends {
                let begin = found.stops.len();
                self.check(begin + size(found.stops[at].value), *looks)?;
                for_each_below(found.stops[at].value, |key, value| {
                    found.stops.push(Stop { above: at as u32, key, value });
                });
                // The first one is the next.
                left.extend((begin..found.stops.len()).rev());
            }
        }
        Ok(())
    }

    /// What `segment` finds in one place.
    fn select<'t>(
        &self,
        segment: &Segment,
        at: usize,
        found: &mut Found<'t>,
        looks: &mut usize,
    ) -> Result<()> {
        let value = found.stops[at].value;
        *looks += 1 + segment.looks * size(value);
        let more = if segment.selects == Selects::All { size(value) } else { 0 };
        self.check(found.stops.len() + more, *looks)?;
        match &segment.selects {
            Selects::Name(name) => {
                if let Some((name, value)) = value.as_object().and_then(|map| map.get_key_value(name)) {
                    found.arrive(at, Key::Name(name), value);
                }
            }
            Selects::All => for_each_below(value, |key, value| found.arrive(at, key, value)),
            Selects::Other(path) => {
                // Where each is would cost more than what it is, and can be told from its address.
                let nodes = path.query(value).all();
                self.check(found.stops.len() + nodes.len(), *looks)?;
                locate(value, &nodes, |key, value| found.arrive(at, key, value));
            }
        }
        self.check(found.stops.len(), *looks)
    }

    fn check(&self, places: usize, looks: usize) -> Result<()> {
        if places <= MAX_PLACES && looks <= MAX_LOOKS {
            return Ok(());
        }
        Err(Error::new(
            Category::Limit,
            format!(
                "the rows path \"{}\" leads through more than {MAX_PLACES} places, or takes more than {MAX_LOOKS} looks at values",
                self.text
            ),
        )
        .hint("name the way to the rows instead of \"..\" and filters, or ask for less"))
    }
}

/// Says where in `value` each of `nodes`, which are right below it, is.
fn locate<'t>(value: &'t Value, nodes: &[&'t Value], mut take: impl FnMut(Key<'t>, &'t Value)) {
    match value {
        Value::Array(values) => {
            let begin = values.as_ptr().addr();
            for node in nodes {
                let index = (std::ptr::from_ref::<Value>(node).addr() - begin) / size_of::<Value>();
                take(Key::Index(index as u32), node);
            }
        }
        Value::Object(members) => {
            // They come in the order of the members, once for every selector.
            let mut left = members.iter().cycle();
            for node in nodes {
                if let Some((name, _)) =
                    left.by_ref().take(members.len()).find(|(_, value)| std::ptr::eq(*value, *node))
                {
                    take(Key::Name(name), node);
                }
            }
        }
        _ => {}
    }
}

impl Segment {
    /// Whether it is a mistake if this finds nothing at all. A filter may well let nothing through.
    fn expects(&self) -> bool {
        match &self.selects {
            Selects::Name(_) | Selects::All => true,
            Selects::Other(_) => !self.text.contains('?'),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    size(value) == 0 && (value.is_array() || value.is_object())
}

/// How many values are right below.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

fn for_each_below<'t>(value: &'t Value, mut take: impl FnMut(Key<'t>, &'t Value)) {
    match value {
        Value::Array(values) => {
            values.iter().zip(0..).for_each(|(value, at)| take(Key::Index(at), value));
        }
        Value::Object(members) => members.iter().for_each(|(name, value)| take(Key::Name(name), value)),
        _ => {}
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim().to_owned();
        check_text(&text)?;
        let whole =
            JsonPath::parse(&text).map_err(|error| format!("expected a JSONPath (RFC 9535): {error}"))?;
        drop(whole);
        let segments = cut(&text).into_iter().map(Segment::parse).collect::<Result<_, _>>()?;
        Ok(Self { text, segments })
    }
}

impl Segment {
    /// Of the text of one segment in a valid path.
    fn parse(text: &str) -> Result<Self, String> {
        let (descends, rest) = match text.strip_prefix("..") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let selects = match name {
            "*" | "[*]" => Selects::All,
            bracket if bracket.starts_with('[') => Selects::Other(one_segment(bracket)?),
            name => Selects::Name(name.to_owned()),
        };
        let looks = match &selects {
            Selects::Name(_) => 0,
            Selects::All => 1,
            Selects::Other(_) => 1 + rest.matches('@').count(),
        };
        Ok(Self { text: text.to_owned(), descends, selects, looks })
    }
}

fn one_segment(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(&format!("${text}")).map_err(|error| format!("expected a JSONPath (RFC 9535): {error}"))
}

/// Refuses what would take long to read or to follow, before anything reads it.
fn check_text(text: &str) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("expected a JSONPath of at most {MAX_BYTES} bytes"));
    }
    let (mut depth, mut alternatives, mut in_brackets) = (0_usize, 1_usize, 1_usize);
    let mut outside = String::with_capacity(text.len());
    for (depth_after, part) in unquoted(text) {
        if depth_after > MAX_NESTING {
            return Err(format!(
                "expected a JSONPath with at most {MAX_NESTING} brackets within one another"
            ));
        }
        match part {
            '[' => in_brackets = 1,
            ',' => {
                alternatives = alternatives / in_brackets * (in_brackets + 1);
                in_brackets += 1;
            }
            _ => {}
        }
        if alternatives > MAX_ALTERNATIVES {
            return Err(format!("expected a JSONPath with at most {MAX_ALTERNATIVES} ways to one place"));
        }
        // What stands in brackets, for what filters may not do.
        if depth.min(depth_after) > 0 {
            outside.push(part);
        }
        depth = depth_after;
    }
    if outside.contains('$') || outside.contains("..") {
        return Err(
            "expected filters that look at @ and what is named below it: \"$\" and \"..\" in a filter would search the answer for each value"
                .to_owned(),
        );
    }
    for function in ["match", "search"] {
        let mut rest = outside.as_str();
        while let Some(at) = rest.find(function) {
            rest = &rest[at + function.len()..];
            if rest.trim_start().starts_with('(') {
                return Err(format!("expected filters that compare: {function}() is not done here"));
            }
        }
    }
    Ok(())
}

/// The characters of a path that stand outside of quotes, each with how deep in brackets one is after it.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    let mut escaped = false;
    let mut depth = 0_usize;
    text.chars().filter_map(move |part| {
        if let Some(ends_with) = quote {
            match part {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if part == ends_with => quote = None,
                _ => {}
            }
            return None;
        }
        match part {
            '\'' | '"' => quote = Some(part),
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        Some((depth, part))
    })
}

/// The texts of the segments of a valid path.
fn cut(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let mut rest = path[1..].trim_start();
    while !rest.is_empty() {
        let dots = rest.len() - rest.trim_start_matches('.').len();
        let end = if rest[dots..].starts_with('[') {
            dots + closing(&rest[dots..])
        } else {
            rest[dots..].find(['.', '[', ' ', '\t', '\r', '\n']).map_or(rest.len(), |end| dots + end)
        };
        segments.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    segments
}

/// Where the bracket that `text` begins with is closed, that one included.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, part) in text.char_indices() {
        match (quote, part) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(ends_with), _) if part == ends_with => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(part),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            (None, _) => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::try_from(text.to_owned()).unwrap()
    }

    fn found(text: &str, tree: &Value) -> Vec<Value> {
        path(text).find(tree).unwrap().places().map(|place| place.value().clone()).collect()
    }

    #[test]
    fn a_path_finds_what_the_whole_of_it_finds() {
        let tree = json!({
            "store": {"book": [
                {"category": "a", "price": 8.95, "x y": 1, "in.it": [1, 2, 3]},
                {"category": "b", "price": 12.99, "isbn": "0-553", "q'": {"x y": 2}},
            ], "bicycle": {"color": "red", "price": 399}},
        });
        for text in [
            "$",
            "$.store.book[*].price",
            "$..price",
            "$..*",
            "$.store..price",
            "$..book[1]",
            "$..book[-1]",
            "$..book[0,1]",
            "$..book[:1]",
            "$..[?@.isbn]",
            "$.store.book[?@.price < 10 && @.category == 'a']['x y']",
            "$..['x y']",
            "$.store.book[*]['in.it'][0:2]",
            "$.store.book[?@['in.it'][0] == 1].price",
            "$.store.book[?@.category == ']'].price",
            "$.store.book[1]['q\\''] ['x y']",
            "$.store.book[?length(@.category) == 1 && !(@.isbn == 'x')].category",
            "$[*] [ 'book' , \"bicycle\" ].*",
            "$.nope",
            "$.store.*",
            "$.store['bicycle', 'book']",
            "$.store[?@.color || @[0]]",
            "$.store.book[1, 0, 1]",
        ] {
            let whole = JsonPath::parse(text).unwrap();
            let mut expected: Vec<String> = whole.query(&tree).iter().map(ToString::to_string).collect();
            let mut ours: Vec<String> = found(text, &tree).iter().map(Value::to_string).collect();
            // Where a path descends, the order is that of the text here, and by levels there.
            expected.sort();
            ours.sort();
            assert_eq!(ours, expected, "{text}");
        }
    }

    #[test]
    fn the_way_to_a_place_is_known() {
        let tree = json!({"a": [{"b": [7]}, {"b": [8]}]});
        let found = path("$.a[*].b").find(&tree).unwrap();
        let second = found.places().nth(1).unwrap();
        assert_eq!(second.key(), Key::Name("b"));
        assert_eq!(second.above(1).unwrap().key(), Key::Index(1));
        assert_eq!(second.above(3).unwrap().value(), &tree);
        assert!(second.above(4).is_none());
        for (text, keys) in [
            ("$['b', 'a'][*]", [Key::Name("b"), Key::Name("a")]),
            ("$.c[?@.x]", [Key::Index(0), Key::Index(2)]),
            ("$[?@.x]", [Key::Name("a"), Key::Name("b")]),
            ("$.c[-1, 0]", [Key::Index(2), Key::Index(0)]),
        ] {
            let x = json!({"x": 1});
            let tree = json!({"a": x, "b": x, "c": [x, 7, x]});
            let found = path(text).find(&tree).unwrap();
            let up = usize::from(text.ends_with("[*]"));
            let ways: Vec<_> = found.places().map(|place| place.above(up).unwrap().key()).collect();
            assert_eq!(ways, keys, "{text}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_told_from_what_is_empty() {
        let lost = |text: &str, tree: Value| path(text).find(&tree).unwrap().lost_at;
        assert_eq!(lost("$.a[*].v", json!({"b": 1})).as_deref(), Some(".a"));
        assert_eq!(lost("$.a[*].v", json!({"a": [{"w": 1}]})).as_deref(), Some(".v"));
        assert_eq!(lost("$.a[*].v", json!({"a": 5})).as_deref(), Some("[*]"));
        for tree in [json!({"a": []}), json!({"a": {}}), json!({"a": null}), json!({"a": [null]})] {
            assert_eq!(lost("$.a[*].v", tree.clone()), None, "{tree}");
        }
        assert_eq!(lost("$.a[?@.x == 1].v", json!({"a": [{"x": 2}]})), None);
    }

    #[test]
    fn what_would_cost_too_much_is_refused() {
        for (text, says) in [
            ("$..[?@..x]", "search the answer"),
            ("$[?$.a == @.a]", "search the answer"),
            ("$[?match(@.a, '(a{1000}){1000}')]", "match()"),
            ("$[?search (@.a, 'x')]", "search()"),
            ("$[*,*][*,*][*,*][*,*][*,*]", "ways"),
            ("$[?((((((((@.a))))))))]", "within one another"),
            ("$[?@[?@[?@[?@[?@[?@[?@.a]]]]]]]", "within one another"),
            (&format!("$.{}", "a".repeat(1_000)), "at most 1000 bytes"),
            ("$.a[", "expected a JSONPath"),
            ("a.b", "expected a JSONPath"),
        ] {
            let error = Path::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        // A name may be anything.
        for text in ["$['$..a']", "$.match", "$['match(']", "$['a,b,c']['d,e,f']"] {
            assert!(Path::try_from(text.to_owned()).is_ok(), "{text}");
        }
    }

    #[test]
    fn every_text_that_is_allowed_is_read_in_no_time() {
        let begun = std::time::Instant::now();
        for inner in ["(@.a==1)", "!(@.a)", "@[?@.a]", "length(@.a)==length(@.b)", "(((((@.a)))))"] {
            let many = format!("$[?{}]", vec![inner; 900 / inner.len()].join("&&"));
            let _ = Path::try_from(many[..many.len().min(MAX_BYTES)].to_owned());
        }
        for open in ["(", "!(", "[?@", "@[?(", "length("] {
            let _ = Path::try_from(format!("$[?{}", open.repeat(5)));
            let _ = Path::try_from(format!("$[?{}", open.repeat(300)));
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_path_through_everything_is_bounded() {
        let wide: Value = (0..700_000).map(|at| json!([at])).collect();
        for text in ["$..*", "$..[*]", "$[?@.a][?@.b == @.c && @.d]"] {
            let looked = path(text).find(&wide);
            if text.contains('?') {
                assert_eq!(looked.unwrap().places().count(), 0);
                continue;
            }
            let error = looked.unwrap_err();
            assert_eq!(error.category(), Category::Limit, "{text}");
            assert!(error.to_string().contains("name the way"), "{error}");
        }
        let mut deep = json!(1);
        for _ in 0..120 {
            deep = json!([deep, deep_pair()]);
        }
        assert!(path("$..*..*..*..*..*..*").find(&deep).is_err());
    }

    fn deep_pair() -> Value {
        json!([[1, 2], [3, 4]])
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\$[\\[\\]().*?@$'\",:a-b0-1 <=!&|\\\\-]{0,30}") {
            if let Ok(path) = Path::try_from(text) {
                let tree = json!({"a": [{"b": [0, 1]}, {"b": "a"}], "b": null});
                if let Ok(found) = path.find(&tree) {
                    let whole = JsonPath::parse(&path.text).unwrap();
                    prop_assert_eq!(found.places().count(), whole.query(&tree).len(), "{}", path.text);
                }
            }
        }
    }
}
