//! From files to a pack: reads the manifest and the schemas, compiles every mapping, and lists every fault with its file
//! and line.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;
use toml::Spanned;

use crate::{
    canonical::EventShape,
    compile::{self, Known, Mistakes, Scope},
    fault::{Fault, Faults, line_at},
    files::PackFiles,
    limits::MESSAGES_MAX,
    manifest::{Broker, ChannelKind, EnvelopeToml, MessageToml, MessagesToml, PackToml, first_line, parse},
    mapping::{self, Direction, Expression, Path, shown},
    pack::{Envelope, Form, IdPart, Message, MessageInfo, Pack, Routed},
    rule::{Block, Place},
    shape::Shape,
};

mod forms;
mod native;
mod roles;
mod schemas;

use schemas::Schemas;

const MANIFEST: &str = "pack.toml";

impl Pack {
    /// Reads and checks a pack whole.
    ///
    /// # Errors
    /// Every fault that was found, up to a limit.
    pub fn load(files: &PackFiles) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let pack = build(files, &mut faults);
        match pack {
            Some(pack) if faults.is_empty() => {
                crate::check::check(&pack, files, &mut faults);
                if faults.is_empty() { Ok(pack) } else { Err(faults.sorted()) }
            }
            _ => Err(faults.sorted()),
        }
    }
}

/// A file of messages, as it was read.
struct MessagesFile<'a> {
    path: &'a str,
    text: &'a str,
    toml: MessagesToml,
}

fn build(files: &PackFiles, faults: &mut Faults) -> Option<Pack> {
    let text = files.text(MANIFEST).map_err(|fault| faults.add(fault)).ok()?;
    let manifest: PackToml = parse(MANIFEST, text).map_err(|fault| faults.add(fault)).ok()?;
    if manifest.name.get_ref() != &files.name {
        let line = line_at(text, manifest.name.span().start);
        faults.add(Fault::new(MANIFEST, line, format!("the folder is named `{}`", files.name)));
    }
    let mut message_files = Vec::new();
    for path in files.paths().filter(|path| is_file(path, "messages", "toml")) {
        let read = files.text(path).and_then(|text| Ok(MessagesFile { path, text, toml: parse(path, text)? }));
        match read {
            Ok(file) => message_files.push(file),
            Err(fault) => faults.add(fault),
        }
    }
    let known = Known {
        settings: manifest.settings.keys().cloned().collect(),
        remembered: remembered(&manifest, &message_files),
        times: manifest.times,
    };
    let mut loader = Loader { manifest: &manifest, text, known: &known, schemas: Schemas::new(files, faults), faults };
    let pack = loader.pack(&message_files);
    roles::check(&pack, &manifest, text, loader.faults);
    changelog(files, &manifest, text, loader.faults);
    Some(pack)
}

/// A pack says what changed: the newest heading of its changelog is its version.
fn changelog(files: &PackFiles, manifest: &PackToml, text: &str, faults: &mut Faults) {
    let newest = files.text("CHANGELOG.md").map(|log| {
        log.lines().find_map(|line| line.strip_prefix("## ")).and_then(|rest| rest.split_whitespace().next())
    });
    match newest {
        Err(fault) => faults.add(fault),
        Ok(Some(version)) if version == manifest.version.get_ref() => {}
        Ok(_) => {
            let line = line_at(text, manifest.version.span().start);
            let reason = format!("the newest heading of CHANGELOG.md is not `## {}`", manifest.version.get_ref());
            faults.add(Fault::new(MANIFEST, line, reason));
        }
    }
}

/// Fields of rows that a line of some mapping brings.
fn remembered(manifest: &PackToml, files: &[MessagesFile<'_>]) -> BTreeSet<Path> {
    let forms = files.iter().flat_map(|file| &file.toml.message).flat_map(|message| &message.forms);
    let texts = forms.map(|form| form.map.get_ref());
    let envelopes = manifest.envelopes.values().filter_map(|envelope| envelope.map.as_ref().map(Spanned::get_ref));
    let mut found = BTreeSet::new();
    for line in texts.chain(envelopes).flat_map(|text| mapping::lines(text).0) {
        if line.direction != Direction::Out {
            rows_in(&line.value, &mut found);
        }
    }
    found
}

fn rows_in(value: &Expression, found: &mut BTreeSet<Path>) {
    match value {
        Expression::Path(path) if path[0] == "row" && path.len() > 2 => {
            found.insert(path[1..].to_vec());
        }
        Expression::Call(_, arguments) => arguments.iter().for_each(|argument| rows_in(argument, found)),
        _ => {}
    }
}

struct Loader<'a> {
    manifest: &'a PackToml,
    /// Of the manifest.
    text: &'a str,
    known: &'a Known,
    schemas: Schemas<'a>,
    faults: &'a mut Faults,
}

impl<'a> Loader<'a> {
    fn pack(&mut self, files: &[MessagesFile<'_>]) -> Pack {
        let manifest = self.manifest;
        let names: Vec<&String> = manifest.envelopes.keys().collect();
        let envelopes = manifest.envelopes.values().map(|envelope| self.envelope(envelope)).collect();
        let headers = match &manifest.headers {
            Some(headers) => self.block(MANIFEST, self.text, headers, &self.scope(Vec::new(), None)),
            None => Block::default(),
        };
        let mut messages = Vec::new();
        for file in files {
            for message in &file.toml.message {
                if messages.len() >= MESSAGES_MAX {
                    self.faults.add(Fault::new(file.path, 0, format!("a pack has at most {MESSAGES_MAX} messages")));
                    break;
                }
                if let Some(message) = self.message(file, message, &names) {
                    messages.push(message);
                }
            }
        }
        if let Some(canonical) = &manifest.canonical {
            match native::messages(canonical, manifest, &names) {
                Ok(made) => messages.extend(made),
                Err(reason) => self.faults.add(Fault::new(MANIFEST, 0, reason)),
            }
        }
        if messages.is_empty() {
            self.faults.add(Fault::new(MANIFEST, 0, "the pack has no message: messages/*.toml"));
        }
        let key_around = manifest.key.as_ref().and_then(|template| {
            let split = template.get_ref().split_once("$key");
            if split.is_none() {
                let line = line_at(self.text, template.span().start);
                self.faults.add(Fault::new(MANIFEST, line, "`key` has no `$key`"));
            }
            split.map(|(before, behind)| (before.to_owned(), behind.to_owned()))
        });
        let (by_channel, by_event) = indexes(&messages);
        Pack {
            name: manifest.name.get_ref().clone(),
            title: manifest.title.clone(),
            version: manifest.version.get_ref().clone(),
            document: manifest.document.clone(),
            broker: manifest.broker,
            encoding: manifest.encoding,
            framing: manifest.framing,
            key_around,
            headers,
            settings: manifest.settings.clone(),
            envelopes,
            messages,
            channels: manifest.channels.clone(),
            roles: roles::infos(manifest),
            by_channel,
            by_event,
        }
    }

    fn scope(&self, events: Vec<&'static Arc<EventShape>>, wire: Option<Shape>) -> Scope<'a> {
        Scope { events, list: Vec::new(), wire, known: self.known, outer: Vec::new() }
    }

    fn fault(&mut self, file: (&str, &str), span: &Spanned<String>, reason: impl Into<String>) {
        let line = line_at(file.1, span.span().start);
        self.faults.add(Fault::new(file.0, line, reason));
    }

    fn block(&mut self, file: &str, text: &str, map: &Spanned<String>, scope: &Scope<'_>) -> Block {
        let mut mistakes = Mistakes::new();
        let block = compile::block(map.get_ref(), first_line(text, map), scope, &mut mistakes);
        self.mistakes(file, mistakes);
        block
    }

    fn mistakes(&mut self, file: &str, mistakes: Mistakes) {
        for (line, reason) in mistakes {
            self.faults.add(Fault::new(file, line, reason));
        }
    }

    fn path(&mut self, path: Option<&Spanned<String>>, shape: Option<&Shape>) -> Option<Path> {
        let path = path?;
        let read = mapping::single_path(path.get_ref());
        let is_there = |read: &Path| shape.is_none_or(|shape| shape.at(read.iter().map(String::as_str)).is_some());
        match read {
            Ok(read) if is_there(&read) => Some(read),
            Ok(read) => {
                self.fault((MANIFEST, self.text), path, format!("the schema has no place `{}`", shown(&read)));
                None
            }
            Err(reason) => {
                self.fault((MANIFEST, self.text), path, reason);
                None
            }
        }
    }

    fn envelope(&mut self, envelope: &EnvelopeToml) -> Envelope {
        let (schema, shape) = match &envelope.schema {
            Some(name) => match self.schemas.json(name.get_ref()) {
                Ok((schema, shape)) => (Some(schema), Some(shape)),
                Err(fault) => {
                    self.at_or(name, fault);
                    (None, None)
                }
            },
            None => (None, None),
        };
        let scope = self.scope(Vec::new(), shape.clone());
        let block = match &envelope.map {
            Some(map) => self.block(MANIFEST, self.text, map, &scope),
            None => Block::default(),
        };
        let kind = self.path(envelope.kind.as_ref(), shape.as_ref());
        let version = self.path(envelope.version.as_ref(), shape.as_ref());
        let payload = self.path(envelope.payload.as_ref(), shape.as_ref());
        Envelope { schema, kind, version, payload, block }
    }

    /// A fault of a schema: where it is, or at the name when the file is not there.
    fn at_or(&mut self, name: &Spanned<String>, fault: Fault) {
        let span = line_at(self.text, name.span().start);
        self.faults.add(if fault.line > 0 { fault } else { Fault::new(MANIFEST, span, fault.reason) });
    }

    fn message(&mut self, file: &MessagesFile<'_>, toml: &MessageToml, envelopes: &[&String]) -> Option<Message> {
        let at = (file.path, file.text);
        let name = toml.name.get_ref().clone();
        let channel = self.manifest.channels.get(toml.channel.get_ref());
        let broker = channel.and_then(|channel| channel.broker).unwrap_or(self.manifest.broker);
        for role in std::iter::once(&toml.producer).chain(&toml.consumers) {
            if !self.manifest.roles.contains_key(role.get_ref()) {
                self.fault(at, role, format!("the pack has no role `{}`", role.get_ref()));
            }
        }
        let schema = match self.schemas.wire(toml.schema.get_ref(), self.manifest.encoding) {
            Ok(schema) => schema,
            Err(fault) => {
                self.fault(at, &toml.schema, fault.to_string());
                return None;
            }
        };
        let envelope = self.envelope_of(at, toml, envelopes);
        let shape = schema.shape();
        let id_parts = if toml.id.is_empty() { &self.manifest.id } else { &toml.id };
        let mut id = Vec::new();
        for part in id_parts {
            match id_part(part.get_ref(), &shape) {
                Ok(part) => id.push(part),
                Err(reason) => self.fault(if toml.id.is_empty() { (MANIFEST, self.text) } else { at }, part, reason),
            }
        }
        let mut forms = Vec::new();
        for form in &toml.forms {
            if let Some(form) = self.form(at, &shape, form) {
                forms.push(form);
            }
        }
        let events = forms.iter().flat_map(|form| form.exports.clone()).collect();
        let key = mapping::single_path(toml.key.get_ref()).and_then(|path| self.key(&path, events, &forms));
        let key = match key {
            Ok(key) => key,
            Err(reason) => {
                self.fault(at, &toml.key, reason);
                return None;
            }
        };
        let routed = match (broker, channel.and_then(|channel| channel.kind)) {
            (Broker::RabbitMq, Some(ChannelKind::Topic)) => Routed::ByType,
            (Broker::RabbitMq, _) => Routed::Queue,
            _ => Routed::Log,
        };
        let retention = toml.retention.as_ref().or(self.manifest.retention.as_ref());
        let info = MessageInfo {
            name,
            kind: toml.kind.clone(),
            also: toml.also.clone(),
            channel: channel.map_or_else(|| toml.channel.get_ref().clone(), |channel| channel.address.clone()),
            broker,
            producer: toml.producer.get_ref().clone(),
            consumers: toml.consumers.iter().map(|role| role.get_ref().clone()).collect(),
            version: toml.version.clone(),
            about: toml.about.clone(),
            unused: toml.unused,
            retention: retention.map(|text| text.get_ref().clone()),
            examples: toml.examples.iter().map(|example| example.get_ref().clone()).collect(),
        };
        let line = line_at(file.text, toml.name.span().start);
        Some(Message { info, envelope, schema, key, id, routed, forms, file: file.path.to_owned(), line })
    }

    fn envelope_of(&mut self, at: (&str, &str), toml: &MessageToml, envelopes: &[&String]) -> Option<usize> {
        let wanted = toml.envelope.as_ref().map_or("default", |envelope| envelope.get_ref().as_str());
        let found = envelopes.iter().position(|name| *name == wanted);
        if let (None, Some(envelope)) = (found, &toml.envelope) {
            self.fault(at, envelope, format!("the pack has no envelope `{wanted}`"));
        }
        found
    }

    /// Where the key is: in each exported event, or around it.
    fn key(&self, path: &[String], events: Vec<&'static Arc<EventShape>>, forms: &[Form]) -> Result<Place, String> {
        let list = forms.iter().find_map(|form| form.each.clone());
        let mut scope = self.scope(events, None);
        if let Some(list) = list
            && let Some(rest) =
                path.strip_prefix(list.as_slice()).filter(|rest| rest.first().is_some_and(|s| s == "[]"))
        {
            scope.list = list.iter().cloned().chain(["[]".to_owned()]).collect();
            let path: Path = std::iter::once("@".to_owned()).chain(rest[1..].iter().cloned()).collect();
            return compile::place(&path, &scope);
        }
        if scope.events.is_empty() && !["event", "row", "setting", "message"].contains(&path[0].as_str()) {
            return Ok(Place::Literal(Value::Null));
        }
        compile::place(path, &scope)
    }
}

fn id_part(text: &str, payload: &Shape) -> Result<IdPart, String> {
    if let Some(name) = text.strip_prefix("header.") {
        return Ok(IdPart::Header(name.to_owned()));
    }
    match text {
        "event.id" => Ok(IdPart::WireId),
        "payload" => Ok(IdPart::Payload),
        "key" => Ok(IdPart::Key),
        path => {
            let path = mapping::single_path(path)?;
            let is_there = payload.at(path.iter().map(String::as_str)).is_some();
            if is_there { Ok(IdPart::Field(path)) } else { Err(format!("the schema has no place `{text}`")) }
        }
    }
}

type ByChannel = BTreeMap<String, Vec<usize>>;
type ByEvent = BTreeMap<&'static str, Vec<(usize, usize)>>;

fn indexes(messages: &[Message]) -> (ByChannel, ByEvent) {
    let (mut by_channel, mut by_event) = (ByChannel::new(), ByEvent::new());
    for (nth, message) in messages.iter().enumerate() {
        by_channel.entry(message.info.channel.clone()).or_default().push(nth);
        for (form, of) in message.forms.iter().enumerate() {
            for event in &of.exports {
                by_event.entry(event.name).or_default().push((nth, form));
            }
        }
    }
    (by_channel, by_event)
}

/// A file below a folder, by the ending of its name.
fn is_file(path: &str, folder: &str, ending: &str) -> bool {
    let path = std::path::Path::new(path);
    path.starts_with(folder) && path.extension().is_some_and(|found| found == ending)
}
