//! The schemas of a pack: JSON Schema files, and `.proto` files compiled without `protoc`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jsonschema::Validator;
use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use serde_json::{Value, json};

use crate::{
    fault::{Fault, Faults},
    files::PackFiles,
    json,
    manifest::Encoding,
    pack::WireSchema,
    proto,
    shape::Shape,
};

pub struct Schemas<'a> {
    files: &'a PackFiles,
    json: BTreeMap<String, Value>,
    pool: DescriptorPool,
}

/// Gives the compiler the files of the pack, and no others.
struct InMemory(Arc<BTreeMap<String, String>>);

impl FileResolver for InMemory {
    fn resolve_path(&self, path: &Path) -> Option<String> {
        path.to_str().filter(|name| self.0.contains_key(*name)).map(str::to_owned)
    }

    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let source = self.0.get(name).ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, source)
    }
}

const FOLDER: &str = "schemas/";

impl<'a> Schemas<'a> {
    pub fn new(files: &'a PackFiles, faults: &mut Faults) -> Self {
        let mut sources = BTreeMap::new();
        for path in files.paths() {
            let is_proto = super::is_file(path, "schemas", "proto");
            let Some(name) = path.strip_prefix(FOLDER).filter(|_| is_proto) else { continue };
            match files.text(path) {
                Ok(text) => {
                    sources.insert(name.to_owned(), text.to_owned());
                }
                Err(fault) => faults.add(fault),
            }
        }
        let pool = Self::compile(sources, faults);
        Self { files, json: BTreeMap::new(), pool }
    }

    fn compile(sources: BTreeMap<String, String>, faults: &mut Faults) -> DescriptorPool {
        if sources.is_empty() {
            return DescriptorPool::new();
        }
        let sources = Arc::new(sources);
        let mut resolver = ChainFileResolver::new();
        resolver.add(InMemory(Arc::clone(&sources)));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        for name in sources.keys() {
            if let Err(error) = compiler.open_file(name) {
                let file = format!("{FOLDER}{}", error.file().unwrap_or(name));
                faults.add(Fault::new(file, 0, error.to_string()));
            }
        }
        compiler.descriptor_pool()
    }

    /// The schema of a payload.
    pub fn wire(&mut self, name: &str, encoding: Encoding) -> Result<WireSchema, Fault> {
        if encoding == Encoding::Json {
            let (schema, shape) = self.json(name)?;
            return Ok(WireSchema::Json(Box::new(schema), shape));
        }
        let (file, message) = name.split_once('#').unwrap_or((name, ""));
        self.files.text(&format!("{FOLDER}{file}"))?;
        let descriptor = self.pool.get_message_by_name(message);
        let descriptor = descriptor
            .ok_or_else(|| Fault::new(format!("{FOLDER}{file}"), 0, format!("has no message `{message}`")))?;
        Ok(WireSchema::Protobuf(descriptor))
    }

    /// `FILE`, or the definition `NAME` of `FILE#NAME`.
    pub fn json(&mut self, name: &str) -> Result<(Validator, Shape), Fault> {
        let (file, definition) = name.split_once('#').unwrap_or((name, ""));
        let path = format!("{FOLDER}{file}");
        let fault = |reason: String| Fault::new(path.clone(), 0, reason);
        if !self.json.contains_key(file) {
            let text = self.files.text(&path)?;
            let read = json::read(text.as_bytes()).map_err(|refusal| fault(refusal.to_string()))?;
            self.json.insert(file.to_owned(), read.value);
        }
        let root = &self.json[file];
        let schema = if definition.is_empty() {
            root.clone()
        } else {
            let definitions = root.get("$defs").cloned().unwrap_or(Value::Null);
            if definitions.get(definition).is_none() {
                return Err(fault(format!("has no definition `{definition}` below `$defs`")));
            }
            json!({"$ref": format!("#/$defs/{definition}"), "$defs": definitions})
        };
        let shape = Shape::of_json_schema(&schema, &schema).map_err(fault)?;
        let validator = jsonschema::options()
            .build(&schema)
            .map_err(|error| fault(format!("is no JSON Schema at {}", error.instance_path())))?;
        Ok((validator, shape))
    }
}

impl WireSchema {
    /// The places of the payload.
    pub fn shape(&self) -> Shape {
        match self {
            Self::Json(_, shape) => shape.clone(),
            Self::Protobuf(descriptor) => proto::shape(descriptor),
            Self::Canonical => Shape::Any,
        }
    }
}
