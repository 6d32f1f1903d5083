//! The forms of a message: what each means in either direction.

use std::sync::Arc;

use toml::Spanned;

use super::{Loader, MANIFEST};
use crate::{
    canonical::{self, EventShape},
    compile::{self, Mistakes, Scope},
    fault::{Fault, line_at},
    manifest::{FormToml, first_line},
    mapping::{self, Path, shown},
    pack::Form,
    rule::{Block, ConditionRule, FillRule},
    shape::Shape,
};

impl Loader<'_> {
    fn event(&mut self, at: (&str, &str), name: &Spanned<String>) -> Option<&'static Arc<EventShape>> {
        let found = canonical::event(name.get_ref());
        if found.is_none() {
            self.fault(at, name, format!("there is no canonical event `{}`", name.get_ref()));
        }
        found
    }

    pub(super) fn form(&mut self, at: (&str, &str), shape: &Shape, toml: &FormToml) -> Option<Form> {
        let both = toml.event.as_ref().map(|name| self.event(at, name));
        let imports =
            toml.imports.as_ref().map(|name| self.event(at, name)).or(both).map_or(Some(None), |e| e.map(Some))?;
        let mut exports: Vec<_> = both.into_iter().flatten().collect();
        for name in &toml.exports {
            exports.extend(self.event(at, name));
        }
        let line = line_at(at.1, toml.map.span().start);
        if imports.is_none() && exports.is_empty() {
            self.faults.add(Fault::new(at.0, line, "a form has an `event`, or `imports` or `exports`"));
            return None;
        }
        let mut events = exports.clone();
        events.extend(imports.filter(|event| !events.iter().any(|other| other.name == event.name)));
        let mut scope = self.scope(events, Some(shape.clone()));
        let each = self.list(at, toml.each.as_ref(), &scope);
        let block = match &each {
            Some(list) => {
                scope.list = list.iter().cloned().chain(["[]".to_owned()]).collect();
                let mut mistakes = Mistakes::new();
                let first = first_line(at.1, &toml.map);
                let block = compile::below(toml.map.get_ref(), first, list, &scope, &mut mistakes);
                self.mistakes(at.0, mistakes);
                block
            }
            None => self.block(at.0, at.1, &toml.map, &scope),
        };
        let mut of_exports = self.scope(exports.clone(), Some(shape.clone()));
        of_exports.list.clone_from(&scope.list);
        let when = self.conditions(at, &toml.when, &of_exports, false);
        let when_wire = self.conditions(at, &toml.when_wire, &scope, true);
        let once = toml.once.as_ref().and_then(|once| {
            let place = mapping::single_path(once.get_ref()).and_then(|path| compile::place(&path, &of_exports));
            place.map_err(|reason| self.fault(at, once, reason)).ok()
        });
        let fills = imports.map(|event| self.fills(at, event, toml)).unwrap_or_default();
        if let Some(event) = imports {
            for (fill, reason) in compile::unfilled(event, &block, each.as_ref(), &fills) {
                self.faults.add(Fault::new(at.0, if fill == 0 { line } else { fill }, reason));
            }
        }
        if !exports.is_empty() {
            self.written(at.0, line, shape, &block);
        }
        Some(Form { imports, exports, when, when_wire, each, once, block, fills, identity: false, line })
    }

    /// The list of `each`, without its `[]`.
    fn list(&mut self, at: (&str, &str), each: Option<&Spanned<String>>, scope: &Scope<'_>) -> Option<Path> {
        let each = each?;
        let read = mapping::single_path(each.get_ref()).and_then(|mut path| {
            let is_list = path.last().is_some_and(|last| last == "[]");
            if !is_list || path.iter().filter(|step| *step == "[]").count() != 1 {
                return Err("`each` is a list of the event: `lines[]`".to_owned());
            }
            path.pop();
            compile::place(&path, scope).map(|_| path)
        });
        read.map_err(|reason| self.fault(at, each, reason)).ok()
    }

    fn conditions(
        &mut self,
        at: (&str, &str),
        texts: &[Spanned<String>],
        scope: &Scope<'_>,
        on_wire: bool,
    ) -> Vec<ConditionRule> {
        let mut conditions = Vec::new();
        for text in texts {
            match compile::condition(text.get_ref(), scope, on_wire) {
                Ok(condition) => conditions.push(condition),
                Err(reason) => self.fault(at, text, reason),
            }
        }
        conditions
    }

    /// The fills of the form and those of the pack that the form does not have, the longer paths first.
    fn fills(&mut self, at: (&str, &str), event: &EventShape, toml: &FormToml) -> Vec<FillRule> {
        let mut mistakes = Mistakes::new();
        let mut fills = Vec::new();
        if let Some(fill) = &toml.fill {
            let first = first_line(at.1, fill);
            fills = compile::fills(fill.get_ref(), first, event, (self.known, false), &mut mistakes);
        }
        self.mistakes(at.0, mistakes);
        let mut mistakes = Mistakes::new();
        if let Some(fill) = &self.manifest.fill {
            let first = first_line(self.text, fill);
            let of_pack = compile::fills(fill.get_ref(), first, event, (self.known, true), &mut mistakes);
            fills.extend(of_pack);
        }
        self.mistakes(MANIFEST, mistakes);
        fills.sort_by_key(|fill| std::cmp::Reverse(fill.path.len()));
        fills
    }

    /// Every place that the schema demands is written.
    fn written(&mut self, file: &str, line: usize, shape: &Shape, block: &Block) {
        let writes = |path: &[String]| {
            block.lines.iter().filter(|rule| rule.out).any(|rule| path.starts_with(&rule.wire[0]))
                || block.lists.iter().filter(|rule| rule.out).any(|rule| path.starts_with(&rule.wire))
        };
        for path in shape.required() {
            if !writes(&path) {
                let reason = format!("the schema demands `{}`, and no line writes it", shown(&path));
                self.faults.add(Fault::new(file, line, reason));
            }
        }
        for list in block.lists.iter().filter(|list| list.out) {
            let element = shape.at(list.wire.iter().map(String::as_str)).map(|member| member.shape);
            if let Some(Shape::List(element)) = element {
                self.written(file, list.line, &element, &list.block);
            }
        }
    }
}
