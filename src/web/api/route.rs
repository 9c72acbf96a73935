//! One row of the table of routes: what is asked where, what it takes, what it answers, and who
//! does it. Routing and the OpenAPI description both read these rows, so they cannot drift apart.

use futures_util::future::BoxFuture;
use http::{Method, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::call::Call;
use super::fault::Fault;
use super::media_type::{FORM, JSON, MULTIPART};
use super::template::{self, Parameters};
use crate::web::body::Body;

/// What a handler gives back.
pub(in crate::web) type Answered = Result<Response<Body>, Fault>;

/// A handler: `|call| Box::pin(check_out(call))`.
pub(in crate::web) type Run = fn(Call) -> BoxFuture<'static, Answered>;

/// Where the schema of a type comes from.
pub(in crate::web) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of `T`.
pub(in crate::web) const fn schema_of<T: JsonSchema>() -> SchemaOf {
    SchemaGenerator::subschema_for::<T>
}

/// What the schema of a form says otherwise than that of JSON: a field that is left out is not
/// there, and `null` would be a text of four letters.
pub(in crate::web) fn no_field_is_null(form: &mut Schema) {
    let fields = form.get_mut("properties").and_then(Value::as_object_mut);
    for field in fields.into_iter().flat_map(Map::values_mut) {
        if let Some(kinds) = field.get_mut("type").and_then(Value::as_array_mut) {
            kinds.retain(|kind| kind != "null");
        }
        if let Some(either) = field.get_mut("anyOf").and_then(Value::as_array_mut) {
            either.retain(|one| one["type"] != "null");
        }
    }
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum ParameterIn {
    /// In the path: `{name}` of the template.
    Path,
    /// Behind the question mark; never required.
    Query,
    /// A header field; never required.
    Header,
}

/// A parameter of a route.
#[derive(Debug, Clone)]
pub(in crate::web) struct Parameter {
    pub(in crate::web) name: &'static str,
    pub(in crate::web) place: ParameterIn,
    pub(in crate::web) description: &'static str,
    pub(in crate::web) schema: SchemaOf,
}

/// The bodies that a route takes: one schema for each media type.
#[derive(Debug, Clone)]
pub(in crate::web) struct Takes {
    pub(in crate::web) required: bool,
    pub(in crate::web) media: Vec<(&'static str, SchemaOf)>,
}

/// One answer of a route. Without a schema it has no body.
#[derive(Debug, Clone)]
pub(in crate::web) struct Answer {
    pub(in crate::web) status: u16,
    pub(in crate::web) description: &'static str,
    pub(in crate::web) body: Option<(&'static str, SchemaOf)>,
}

/// One row.
#[derive(Debug, Clone)]
pub(in crate::web) struct Route {
    pub(in crate::web) method: Method,
    pub(in crate::web) template: &'static str,
    /// The operation id; unique in the table.
    pub(in crate::web) operation: &'static str,
    pub(in crate::web) tag: &'static str,
    pub(in crate::web) summary: &'static str,
    pub(in crate::web) description: &'static str,
    pub(in crate::web) parameters: Vec<Parameter>,
    pub(in crate::web) takes: Option<Takes>,
    pub(in crate::web) answers: Vec<Answer>,
    /// Whether it is served without sign-in.
    pub(in crate::web) public: bool,
    pub(in crate::web) run: Run,
}

impl Route {
    /// A row that still has to be described. Answers that every route may give (400, 401, 403,
    /// 404, 413, 415, 500, 503, as far as they apply) are added by the description itself.
    pub(in crate::web) fn new(
        method: Method,
        template: &'static str,
        operation: &'static str,
        run: Run,
    ) -> Self {
        Self {
            method,
            template,
            operation,
            tag: "",
            summary: "",
            description: "",
            parameters: Vec::new(),
            takes: None,
            answers: Vec::new(),
            public: false,
            run,
        }
    }

    pub(in crate::web) fn get(template: &'static str, operation: &'static str, run: Run) -> Self {
        Self::new(Method::GET, template, operation, run)
    }

    pub(in crate::web) fn post(template: &'static str, operation: &'static str, run: Run) -> Self {
        Self::new(Method::POST, template, operation, run)
    }

    pub(in crate::web) fn put(template: &'static str, operation: &'static str, run: Run) -> Self {
        Self::new(Method::PUT, template, operation, run)
    }

    pub(in crate::web) fn delete(
        template: &'static str,
        operation: &'static str,
        run: Run,
    ) -> Self {
        Self::new(Method::DELETE, template, operation, run)
    }

    /// The tag, one line, and a paragraph (which may be empty).
    pub(in crate::web) fn about(
        mut self,
        tag: &'static str,
        summary: &'static str,
        description: &'static str,
    ) -> Self {
        (self.tag, self.summary, self.description) = (tag, summary, description);
        self
    }

    /// Served without sign-in; then [`Call::principal`] fails.
    pub(in crate::web) fn public(mut self) -> Self {
        self.public = true;
        self
    }

    /// A `{name}` of the template.
    pub(in crate::web) fn path<T: JsonSchema>(
        self,
        name: &'static str,
        description: &'static str,
    ) -> Self {
        self.parameter::<T>(name, ParameterIn::Path, description)
    }

    /// A parameter behind the question mark.
    pub(in crate::web) fn query<T: JsonSchema>(
        self,
        name: &'static str,
        description: &'static str,
    ) -> Self {
        self.parameter::<T>(name, ParameterIn::Query, description)
    }

    /// A header field.
    pub(in crate::web) fn header<T: JsonSchema>(
        self,
        name: &'static str,
        description: &'static str,
    ) -> Self {
        self.parameter::<T>(name, ParameterIn::Header, description)
    }

    fn parameter<T: JsonSchema>(
        mut self,
        name: &'static str,
        place: ParameterIn,
        description: &'static str,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            place,
            description,
            schema: schema_of::<T>(),
        });
        self
    }

    /// A JSON body that must be there ([`Call::json`]).
    pub(in crate::web) fn json<T: JsonSchema>(self) -> Self {
        self.body::<T>(JSON, true)
    }

    /// A JSON body that may be left out ([`Call::json_or_default`]).
    pub(in crate::web) fn optional_json<T: JsonSchema>(self) -> Self {
        self.body::<T>(JSON, false)
    }

    /// A form ([`Call::form_or_json`]).
    pub(in crate::web) fn form<T: JsonSchema>(self) -> Self {
        self.body::<T>(FORM, true)
    }

    /// The same members as a JSON object ([`Call::form_or_json`]).
    pub(in crate::web) fn or_json<T: JsonSchema>(self) -> Self {
        self.body::<T>(JSON, true)
    }

    /// A form with a file in it ([`Call::multipart`]).
    pub(in crate::web) fn multipart<T: JsonSchema>(self) -> Self {
        self.body::<T>(MULTIPART, true)
    }

    fn body<T: JsonSchema>(mut self, media_type: &'static str, required: bool) -> Self {
        let takes = self.takes.get_or_insert(Takes {
            required,
            media: Vec::new(),
        });
        takes.media.push((media_type, schema_of::<T>()));
        self
    }

    /// An answer with a JSON body.
    pub(in crate::web) fn answers<T: JsonSchema>(
        self,
        status: u16,
        description: &'static str,
    ) -> Self {
        self.answer(status, description, Some((JSON, schema_of::<T>())))
    }

    /// An answer with another body, or with none.
    pub(in crate::web) fn answer(
        mut self,
        status: u16,
        description: &'static str,
        body: Option<(&'static str, SchemaOf)>,
    ) -> Self {
        self.answers.push(Answer {
            status,
            description,
            body,
        });
        self
    }

    /// What [`template::matches`] says of this row's template.
    pub(super) fn matches(&self, path: &str) -> Option<(Vec<bool>, Parameters)> {
        template::matches(self.template, path)
    }
}
