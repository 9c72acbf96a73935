//! Calls of the API whose answers are held against the published description: the status must be
//! one of the operation's, and the body must be of the schema that is told for it.

use serde_json::Value;

use crate::common::{Client, Response, Server};

/// The description of a running server.
pub(crate) struct Contract {
    document: Value,
}

/// An answer that keeps the contract.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) json: Value,
}

impl Contract {
    pub(crate) fn of(server: &Server) -> Self {
        Self::read_by(&server.anonymous())
    }

    /// The same, as somebody reads it.
    pub(crate) fn read_by(client: &Client) -> Self {
        let response = client.get("/apidoc/openapi.json").status(200);
        let document = serde_json::from_slice(&response.body).expect("JSON");
        Self { document }
    }

    /// Every path and method that is described.
    pub(crate) fn operations(&self) -> Vec<(String, String)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let of_path = |(path, methods): (&String, &Value)| {
            let methods = methods.as_object().expect("methods").keys();
            let path = path.clone();
            methods
                .map(move |method| (method.to_uppercase(), path.clone()))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    /// Sends a request and holds its answer against the description.
    #[track_caller]
    pub(crate) fn send(
        &self,
        client: &Client,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        self.check((method, path), client.send(method, path, headers, body))
    }

    /// Holds an answer against the description.
    #[track_caller]
    pub(crate) fn check(&self, (method, path): (&str, &str), response: Response) -> Answer {
        let path = path.split('?').next().unwrap_or_default();
        let operation = self.operation(method, path);
        let told = &operation["responses"][response.status.to_string()];
        assert!(told.is_object(), "{method} {path}: undescribed {response}");
        let media_type = response.header("content-type").unwrap_or_default();
        let json = if ["application/json", "application/problem+json"].contains(&media_type) {
            let json: Value = serde_json::from_slice(&response.body).expect("JSON");
            let schema = &told["content"][media_type]["schema"];
            self.fits(schema, &json, &format!("{method} {path}"));
            let mut names = ["Status", "statusCode", "status"].iter();
            let status = names.find_map(|name| json.get(name));
            // A page of events says nothing beside its events.
            let has_no_envelope = path == "/api/events" && response.status == 200;
            let expect = (!has_no_envelope).then(|| response.status.into());
            assert_eq!(status, expect.as_ref(), "{json}");
            json
        } else {
            Value::Null
        };
        Answer { response, json }
    }

    /// Whether an address is described with this method.
    #[allow(dead_code, reason = "not every test binary asks for what is not there")]
    pub(crate) fn describes(&self, method: &str, path: &str) -> bool {
        self.find_operation(method, path).is_some()
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let found = self.find_operation(method, path);
        found.unwrap_or_else(|| panic!("{method} {path} is not described"))
    }

    fn find_operation(&self, method: &str, path: &str) -> Option<&Value> {
        let paths = self.document["paths"].as_object().expect("paths");
        let matches = |template: &str| {
            let (mut have, mut want) = (path.split('/'), template.split('/'));
            have.by_ref()
                .zip(want.by_ref())
                .all(|(h, w)| h == w || w.starts_with('{'))
                && path.split('/').count() == template.split('/').count()
        };
        let fitting = paths.iter().filter(|(template, told)| {
            matches(template) && told.get(method.to_lowercase()).is_some()
        });
        // Where a fixed name and a parameter both fit, the fixed name is meant.
        let found = fitting.min_by_key(|(template, _)| template.matches('{').count());
        found.map(|(_, methods)| &methods[method.to_lowercase()])
    }

    /// As much of JSON Schema as the description uses.
    #[track_caller]
    fn fits(&self, schema: &Value, value: &Value, at: &str) {
        if let Some(fault) = self.fault(schema, value) {
            panic!("{at}: {fault}\n{value:#}");
        }
    }

    fn fault(&self, schema: &Value, value: &Value) -> Option<String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.trim_start_matches('#');
            let schema = self.document.pointer(pointer).expect("a schema");
            return self.fault(schema, value);
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(all) = schema[several].as_array() {
                let faults: Vec<_> = all.iter().map(|one| self.fault(one, value)).collect();
                if faults.iter().all(Option::is_some) {
                    return Some(format!("none of {faults:?}"));
                }
            }
        }
        if schema.get("const").is_some_and(|only| only != value) {
            return Some(format!("{value} is not {}", schema["const"]));
        }
        if let Some(all) = schema["enum"].as_array()
            && !all.contains(value)
        {
            return Some(format!("{value} is none of {all:?}"));
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
            return Some(format!("{value} is no {types:?}"));
        }
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if value.is_object() && value.get(name).is_none() {
                return Some(format!("{name} is missing"));
            }
        }
        let members = value
            .as_object()
            .filter(|_| schema["properties"].is_object());
        for (name, member) in members.into_iter().flatten() {
            let Some(inner) = schema["properties"].get(name) else {
                return Some(format!("{name} is not described"));
            };
            if let Some(fault) = self.fault(inner, member) {
                return Some(format!("{name}: {fault}"));
            }
        }
        let items = value.as_array().into_iter().flatten();
        items
            .into_iter()
            .find_map(|item| self.fault(&schema["items"], item))
    }
}

impl Answer {
    /// Fails unless status and ErrorCode are these.
    #[track_caller]
    pub(crate) fn is(self, status: u16, code: u64) -> Self {
        assert_eq!(self.response.status, status, "{}", self.response);
        assert_eq!(self.json["ErrorCode"], code, "{}", self.response);
        self
    }

    /// A member of the result.
    #[track_caller]
    pub(crate) fn text(&self, member: &str) -> String {
        let value = &self.json["Result"][member];
        value
            .as_str()
            .unwrap_or_else(|| panic!("no {member} in {}", self.response))
            .to_owned()
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("an unknown type {other}"),
    }
}
