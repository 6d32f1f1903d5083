//! Fills: where the fields come from that a wire does not carry; and whether every required field has a source.

use std::collections::BTreeSet;

use super::{Known, Mistakes, row};
use crate::{
    canonical::{EventShape, Kind},
    mapping::{self, Expression, Path, shown},
    rule::{Block, FillRule, Place, Rule, Source},
};

/// Reads fills. Those of the pack are passed over where the event has no such field.
pub fn fills(
    text: &str,
    first: usize,
    event: &EventShape,
    (known, of_pack): (&Known, bool),
    mistakes: &mut Mistakes,
) -> Vec<FillRule> {
    let (lines, wrong) = mapping::lines(text);
    mistakes.extend(wrong.into_iter().map(|mistake| (first + mistake.number - 1, mistake.reason)));
    let mut rules = Vec::new();
    for line in lines {
        let number = first + line.number - 1;
        let path = line.wire[0].clone();
        let place = event.place(&path).map(|place| place.kind);
        let Some(kind) = place else {
            if !of_pack {
                mistakes.push((number, format!("{} has no field `{}`", event.name, shown(&path))));
            }
            continue;
        };
        match source(&line.value, known) {
            Ok(source)
                if source != Source::Amounts
                    && rules.iter().any(|rule: &FillRule| rule.path == path && rule.source != Source::Amounts) =>
            {
                mistakes.push((number, format!("`{}` has two fills", shown(&path))));
            }
            Ok(source) => rules.push(FillRule { line: number, path, source, kind, of_pack }),
            Err(reason) => mistakes.push((number, reason)),
        }
    }
    rules
}

fn source(value: &Expression, known: &Known) -> Result<Source, String> {
    const USAGE: &str = "a fill is row.ROW.FIELD, setting.NAME, event.id, event.time, after(setting.NAME), copy(PATH), \
                         amounts() or a literal";
    let setting = |rest: &[String]| {
        let name = rest.join(".");
        if known.settings.contains(&name) { Ok(name) } else { Err(format!("the pack has no setting `{name}`")) }
    };
    Ok(match value {
        Expression::Literal(value) => Source::Literal(value.clone()),
        Expression::Path(path) => match (path[0].as_str(), &path[1..]) {
            ("row", [name]) if super::ROWS.iter().any(|(row, _)| row == name) => Source::Row(vec![name.clone()]),
            ("row", rest) => {
                row(rest, known)?;
                Source::Row(rest.to_vec())
            }
            ("setting", rest) => Source::Setting(setting(rest)?),
            ("event", [name]) if name == "id" => Source::EventId,
            ("event", [name]) if name == "time" => Source::Time,
            _ => return Err(USAGE.to_owned()),
        },
        Expression::Call(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("amounts", []) => Source::Amounts,
            ("after", [Expression::Path(path)]) if path[0] == "setting" => Source::After(setting(&path[1..])?),
            ("copy", [Expression::Path(path)]) => Source::CopyOf(path.clone()),
            _ => return Err(USAGE.to_owned()),
        },
        Expression::Pair(..) => return Err(USAGE.to_owned()),
    })
}

/// Required fields without a source, and fields with two, as sentences with the line of the fill that is too much.
pub fn unfilled(event: &EventShape, block: &Block, list: Option<&Path>, fills: &[FillRule]) -> Mistakes {
    let mut brought = Brought::default();
    let mut prefix: Path = Vec::new();
    if let Some(list) = list {
        brought.places.insert(list.join("."));
        prefix = list.iter().cloned().chain(["[]".to_owned()]).collect();
    }
    brought.collect(block, &prefix, list.is_none());
    let mut found = Vec::new();
    for required in event.required() {
        let below = |other: &str| required == other || required.strip_prefix(other).is_some_and(|r| r.starts_with('.'));
        let filled = fills.iter().any(|fill| fill.source != Source::Amounts && below(&fill.path.join(".")));
        let mapped = brought.places.contains(required) || brought.whole.iter().any(|path| below(path));
        if !filled && !mapped {
            found.push((0, format!("{} needs `{required}`, and neither the mapping nor a fill has it", event.name)));
        }
    }
    for fill in fills.iter().filter(|fill| !fill.of_pack) {
        if brought.always.contains(&fill.path.join(".")) {
            found.push((fill.line, format!("`{}` has two sources: the mapping always brings it", shown(&fill.path))));
        }
    }
    found
}

/// What a mapping brings on the way in.
#[derive(Default)]
struct Brought {
    /// Fields, and lists whose elements are mapped.
    places: BTreeSet<String>,
    /// Objects and lists that are copied with all that is in them.
    whole: BTreeSet<String>,
    /// Fields that the schema demands.
    always: BTreeSet<String>,
}

impl Brought {
    fn collect(&mut self, block: &Block, prefix: &[String], sure: bool) {
        for line in block.lines.iter().filter(|line| line.inward) {
            for place in line.rule.places() {
                let Some((path, kind)) = whole_path(place, prefix) else { continue };
                if line.required && sure && line.or.is_none() {
                    self.always.insert(path.clone());
                }
                if matches!((&line.rule, kind), (Rule::Copy(_), Kind::Object | Kind::List | Kind::Any)) {
                    self.whole.insert(path.clone());
                }
                self.places.insert(path);
            }
            if let Rule::Map { list, key, value, .. } = &line.rule
                && let Some((list, _)) = whole_path(list, prefix)
            {
                let inner: Path = list.split('.').map(str::to_owned).chain(["[]".to_owned()]).collect();
                let places = key.places().into_iter().chain(value.places());
                self.places.extend(places.filter_map(|place| whole_path(place, &inner)).map(|(path, _)| path));
            }
        }
        for list in block.lists.iter().filter(|list| list.inward) {
            if let Some((path, _)) = whole_path(&list.list, prefix) {
                let inner: Path = path.split('.').map(str::to_owned).chain(["[]".to_owned()]).collect();
                self.places.insert(path);
                self.collect(&list.block, &inner, false);
            }
        }
    }
}

/// A place of the event, from its top.
fn whole_path(place: &Place, prefix: &[String]) -> Option<(String, Kind)> {
    match place {
        Place::Root(path, kind) => Some((path.join("."), *kind)),
        Place::Element(path, kind) => {
            Some((prefix.iter().chain(path).map(String::as_str).collect::<Vec<_>>().join("."), *kind))
        }
        _ => None,
    }
}
