//! The OpenAPI 3.1 description of every route, from the table.

use http::Method;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Face;
use super::route::{Parameter, ParameterIn, Route, SchemaOf};

/// The whole description.
pub(super) fn document(faces: &[Face]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Map<String, Value> = Map::new();
    let mut tags: Vec<&str> = Vec::new();
    for face in faces.iter().rev() {
        for route in &face.routes {
            if !tags.contains(&route.tag) {
                tags.push(route.tag);
            }
            let operation = operation(&mut schemas, face, route);
            let path = paths.entry(route.template).or_insert_with(|| json!({}));
            if let Some(path) = path.as_object_mut() {
                path.insert(route.method.as_str().to_ascii_lowercase(), operation);
            }
        }
    }
    let tags: Vec<Value> = tags.iter().map(|tag| json!({ "name": tag })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lockkeeper",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "basic": [] }, { "bearer": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.into_definitions(),
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "A user name and a password, or an API key as the password.",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, or an API key (sk-…).",
                },
            },
        },
    })
}

const DESCRIPTION: &str = "Checking files out and in. A lock that is taken here is the same lock \
    in WebDAV, in the DocSpace-compatible API and on the command line: it is seen, respected and \
    ended through all of them.";

fn operation(schemas: &mut Schemas, face: &Face, route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.operation,
        "tags": [route.tag],
        "summary": route.summary,
        "responses": responses(schemas, face, route),
    });
    let members = operation.as_object_mut().into_iter();
    for members in members {
        if !route.description.is_empty() {
            members.insert("description".to_owned(), route.description.into());
        }
        if route.public {
            members.insert("security".to_owned(), json!([]));
        }
        if !route.parameters.is_empty() {
            let parameters = route.parameters.iter();
            let parameters: Vec<Value> = parameters.map(|told| parameter(schemas, told)).collect();
            members.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(takes) = &route.takes {
            let media = takes.media.iter();
            let content: Map<String, Value> = media
                .map(|(name, schema)| {
                    let schema = schemas.received(*schema);
                    ((*name).to_owned(), json!({ "schema": schema }))
                })
                .collect();
            let body = json!({ "required": takes.required, "content": content });
            members.insert("requestBody".to_owned(), body);
        }
    }
    operation
}

fn parameter(schemas: &mut Schemas, parameter: &Parameter) -> Value {
    let place = match parameter.place {
        ParameterIn::Path => "path",
        ParameterIn::Query => "query",
        ParameterIn::Header => "header",
    };
    json!({
        "name": parameter.name,
        "in": place,
        "required": parameter.place == ParameterIn::Path,
        "description": parameter.description,
        "schema": schemas.received(parameter.schema),
    })
}

fn responses(schemas: &mut Schemas, face: &Face, route: &Route) -> Map<String, Value> {
    let mut responses = Map::new();
    for answer in &route.answers {
        let status = responses.entry(answer.status.to_string());
        let told = status.or_insert_with(|| json!({ "description": answer.description }));
        if let Some((media_type, schema)) = answer.body {
            // One status may come in several media types.
            told["content"][media_type] = json!({ "schema": schemas.sent(schema) });
        }
    }
    for (status, description) in usual_refusals(route) {
        let (media_type, schema) = face.error;
        let schema = schemas.sent(schema);
        let told = json!({
            "description": description,
            "content": { media_type: { "schema": schema } },
        });
        responses.entry(status.to_string()).or_insert(told);
    }
    responses
}

/// What every route may answer because of what it takes. A row that says more about one of these
/// keeps its own words.
pub(super) fn usual_refusals(route: &Route) -> Vec<(u16, &'static str)> {
    let changes = route.method != Method::GET;
    let reads_more = !route.parameters.is_empty() || route.takes.is_some();
    let in_path = route
        .parameters
        .iter()
        .any(|told| told.place == ParameterIn::Path);
    let all = [
        (
            400,
            reads_more,
            "Something in the request cannot be meant; the sentence says what.",
        ),
        (401, !route.public, "Nobody is signed in."),
        (
            403,
            changes || !route.public,
            "The user who asks may not do this.",
        ),
        (
            404,
            in_path,
            "There is no such thing, or the user who asks may not see it.",
        ),
        (413, route.takes.is_some(), "The body is too large."),
        (
            415,
            route.takes.is_some(),
            "The body is of another media type.",
        ),
        (500, true, "The server could not do this; its log says why."),
        (503, true, "The server is busy; try again."),
    ];
    let applying = all.into_iter().filter(|(_, applies, _)| *applies);
    applying.map(|(status, _, said)| (status, said)).collect()
}

/// A format such as `uint64` is a word that few programs know; the number behind it is for all.
fn name_the_largest(schema: &mut Schema) {
    let max = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => u64::from(u32::MAX),
        Some("int64") => i64::MAX.unsigned_abs(),
        Some("uint64") => u64::MAX,
        _ => return,
    };
    if schema.get("maximum").is_none() {
        schema.insert("maximum".to_owned(), max.into());
    }
}

/// The schemas of everything that is sent and received.
pub(super) struct Schemas {
    sent: SchemaGenerator,
    received: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
                let bounds = RecursiveTransform(name_the_largest);
                settings.transforms.push(Box::new(bounds));
            })
        };
        Self {
            sent: settings().for_serialize().into_generator(),
            received: settings().for_deserialize().into_generator(),
        }
    }

    pub(super) fn sent(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.sent).to_value()
    }

    pub(super) fn received(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.received).to_value()
    }

    /// What was named so far.
    #[cfg(test)]
    pub(super) fn definitions(&self) -> (&Map<String, Value>, &Map<String, Value>) {
        (self.sent.definitions(), self.received.definitions())
    }

    fn into_definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.received.take_definitions(true);
        definitions.extend(self.sent.take_definitions(true));
        definitions
    }
}
