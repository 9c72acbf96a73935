//! The description as HTML, written from the same value that programs read.
#![allow(
    clippy::format_collect,
    reason = "made once, at the start; a row reads as a row"
)]

use serde_json::{Map, Value};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An operation with its place.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    told: &'a Value,
}

/// The whole page.
pub(super) fn page(document: &Value) -> String {
    let operations = operations(document);
    let title = text(&document["info"]["title"]);
    let version = text(&document["info"]["version"]);
    let mut tags = String::new();
    let mut contents = String::new();
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = &tag["name"];
        let of_tag = operations
            .iter()
            .filter(|operation| operation.told["tags"][0] == *name);
        tags += &format!("<h2 id=\"/{0}\">{0}</h2>\n", text(name));
        for operation in of_tag {
            let id = id(operation.told);
            let summary = text(&operation.told["summary"]);
            contents += &format!("<li><a href=\"#{id}\">{summary}</a></li>\n");
            tags += &section(operation);
        }
    }
    let schemas = members(&document["components"]["schemas"]);
    let schemas: String = schemas
        .map(|(name, schema)| schema_section(name, schema))
        .collect();
    let security = members(&document["components"]["securitySchemes"]);
    let security: String = security
        .map(|(name, scheme)| {
            let said = text(&scheme["description"]);
            format!(
                "<tr><td><code>{}</code></td><td>{said}</td></tr>\n",
                escaped(name)
            )
        })
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} API</title>\n<link rel=\"stylesheet\" href=\"/apidoc/style.css\">\n\
         </head>\n<body>\n<nav>\n<ul>\n{contents}<li><a href=\"#schemas\">Schemas</a></li>\n\
         </ul>\n</nav>\n<main>\n<h1>{title} API <small class=\"note\">{version}</small></h1>\n\
         <p>{about}</p>\n<p>For programs: <a href=\"/apidoc/openapi.json\">OpenAPI 3.1</a>.</p>\n\
         <h2 id=\"sign-in\">Sign-in</h2>\n<p>Each request carries one of these, unless the \
         operation says otherwise.</p>\n<table>\n{security}</table>\n{tags}\
         <h2 id=\"schemas\">Schemas</h2>\n{schemas}</main>\n</body>\n</html>\n",
        about = text(&document["info"]["description"]),
    )
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        let of_path = METHODS.into_iter().filter_map(|method| {
            let told = methods.get(method)?;
            Some(Operation { method, path, told })
        });
        operations.extend(of_path);
    }
    operations
}

/// `/Tag/Operation`: what links to other servers' pages of this kind say behind `#`.
fn id(operation: &Value) -> String {
    let (tag, name) = (&operation["tags"][0], &operation["operationId"]);
    format!("/{}/{}", text(tag), text(name))
}

fn section(operation: &Operation<'_>) -> String {
    let Operation { method, path, told } = operation;
    let mut section = format!(
        "<section class=\"operation\" id=\"{id}\">\n<h3><span class=\"method {method}\">{name}\
         </span> <code>{path}</code></h3>\n<p><strong>{summary}</strong> \
         <a class=\"note\" href=\"#{id}\">{operation}</a></p>\n",
        id = id(told),
        name = method.to_uppercase(),
        path = escaped(path),
        summary = text(&told["summary"]),
        operation = text(&told["operationId"]),
    );
    if let Some(description) = told["description"].as_str() {
        section += &format!("<p>{}</p>\n", escaped(description));
    }
    if told["security"].as_array().is_some_and(Vec::is_empty) {
        section += "<p class=\"note\">Without sign-in.</p>\n";
    }
    section += &parameters(told);
    section += &body(told);
    section += &answers(told);
    section + "</section>\n"
}

fn parameters(operation: &Value) -> String {
    let Some(parameters) = operation["parameters"].as_array() else {
        return String::new();
    };
    let rows: String = parameters
        .iter()
        .map(|parameter| {
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                text(&parameter["name"]),
                text(&parameter["in"]),
                type_of(&parameter["schema"]),
                text(&parameter["description"]),
            )
        })
        .collect();
    format!("<h4>Parameters</h4>\n<table>\n{rows}</table>\n")
}

fn body(operation: &Value) -> String {
    let Some(body) = operation.get("requestBody") else {
        return String::new();
    };
    let optional = if body["required"] == true {
        ""
    } else {
        " <span class=\"note\">may be left out</span>"
    };
    format!(
        "<h4>Body{optional}</h4>\n<table>\n{}</table>\n",
        media(&body["content"], "")
    )
}

fn answers(operation: &Value) -> String {
    let rows: String = members(&operation["responses"])
        .map(|(status, answer)| {
            let said = text(&answer["description"]);
            let schemas = members(&answer["content"]);
            let schemas: Vec<String> = schemas
                .map(|(media_type, told)| {
                    format!(
                        "<code>{}</code> {}",
                        escaped(media_type),
                        type_of(&told["schema"])
                    )
                })
                .collect();
            let schemas = schemas.join("<br>");
            format!(
                "<tr><td><code>{}</code></td><td>{said}</td><td>{schemas}</td></tr>\n",
                escaped(status)
            )
        })
        .collect();
    format!("<h4>Answers</h4>\n<table>\n{rows}</table>\n")
}

fn media(content: &Value, before: &str) -> String {
    members(content)
        .map(|(media_type, told)| {
            format!(
                "<tr>{before}<td><code>{}</code></td><td>{}</td></tr>\n",
                escaped(media_type),
                type_of(&told["schema"])
            )
        })
        .collect()
}

fn schema_section(name: &str, schema: &Value) -> String {
    let name = escaped(name);
    let said = text(&schema["description"]);
    format!(
        "<section class=\"schema\" id=\"schema-{name}\">\n<h3><code>{name}</code></h3>\n\
         <p>{said}</p>\n{}</section>\n",
        shape(schema)
    )
}

/// The members of an object; of one that has several shapes, those of each.
fn shape(schema: &Value) -> String {
    let several = schema["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    if several.iter().any(|one| one["properties"].is_object()) {
        let each = several.iter().map(|one| {
            let said = text(&one["description"]);
            format!("<p>{said}</p>\n{}", shape(one))
        });
        return each.collect();
    }
    let required = schema["required"].as_array();
    let is_required =
        |member: &str| required.is_some_and(|required| required.iter().any(|name| name == member));
    let rows: String = members(&schema["properties"])
        .map(|(member, told)| {
            let must = if is_required(member) { "" } else { "optional" };
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td class=\"note\">{must}</td>\
                 <td>{}</td></tr>\n",
                escaped(member),
                type_of(told),
                text(&told["description"]),
            )
        })
        .collect();
    if rows.is_empty() {
        format!("<p>{}</p>\n", type_of(schema))
    } else {
        format!("<table>\n{rows}</table>\n")
    }
}

/// What a value of this schema is, in a few words, with a link to a schema that has a name.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\"><code>{name}</code></a>");
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(all) = schema[several].as_array() {
            let all: Vec<String> = all.iter().map(type_of).collect();
            return all.join(" or ");
        }
    }
    if !schema["const"].is_null() {
        let meaning = match schema["description"].as_str() {
            Some(meaning) => format!(" ({})", escaped(meaning)),
            None => String::new(),
        };
        return format!(
            "<code>{}</code>{meaning}",
            escaped(&schema["const"].to_string())
        );
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("<code>{}</code>", escaped(&value.to_string())))
            .collect();
        return values.join(" or ");
    }
    let mut words = match &schema["type"] {
        Value::Array(types) => {
            let types: Vec<String> = types.iter().map(text).collect();
            types.join(" or ")
        }
        one => text(one),
    };
    if !schema["items"].is_null() {
        words += &format!(" of {}", type_of(&schema["items"]));
    }
    for (key, before) in [
        ("format", ", "),
        ("pattern", ", "),
        ("minimum", ", from "),
        ("maximum", ", to "),
        ("maxLength", ", characters at most "),
        ("default", ", by default "),
    ] {
        if !schema[key].is_null() {
            words += &format!("{before}<code>{}</code>", text(&schema[key]));
        }
    }
    words
}

/// The members of an object, in their order.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// A string as it is, anything else as JSON; escaped.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => escaped(text),
        Value::Null => String::new(),
        other => escaped(&other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_schema_is_in_words() {
        fn check(schema: &Value, expect: &str) {
            assert_eq!(type_of(schema), expect, "{schema}");
        }
        check(&json!({ "type": "string" }), "string");
        check(&json!({ "type": ["string", "null"] }), "string or null");
        check(
            &json!({ "type": "array", "items": { "$ref": "#/components/schemas/A" } }),
            "array of <a href=\"#schema-A\"><code>A</code></a>",
        );
        check(
            &json!({ "type": "integer", "minimum": 1, "default": 2 }),
            "integer, from <code>1</code>, by default <code>2</code>",
        );
        check(&json!({ "enum": ["a"] }), "<code>&quot;a&quot;</code>");
    }

    #[test]
    fn every_shape_of_an_object_has_its_members() {
        let of = |member: &str| json!({ "description": member, "properties": { member: {} } });
        let page = shape(&json!({ "oneOf": [of("one"), of("two")] }));
        for member in ["one", "two"] {
            assert!(page.contains(&format!("<p>{member}</p>")), "{page}");
            assert!(page.contains(&format!("<code>{member}</code>")), "{page}");
        }
        let page = shape(&json!({ "oneOf": [{ "const": 1 }, { "const": 2 }] }));
        assert_eq!(page, "<p><code>1</code> or <code>2</code></p>\n");
    }

    #[test]
    fn everything_is_escaped() {
        let mark = "<script>'\"&";
        let document = json!({
            "info": { "title": mark, "version": mark, "description": mark },
            "tags": [{ "name": mark }],
            "paths": { mark: { "get": {
                "tags": [mark], "operationId": mark, "summary": mark, "description": mark,
                "parameters": [{ "name": mark, "in": mark, "schema": { "type": mark } }],
                "requestBody": { "content": { mark: { "schema": { "$ref": mark } } } },
                "responses": { mark: { "description": mark, "content": {
                    mark: { "schema": { "enum": [mark] } } } } },
            } } },
            "components": {
                "schemas": { mark: { "description": mark, "required": [mark], "properties": {
                    mark: { "const": mark, "description": mark } } } },
                "securitySchemes": { mark: { "description": mark } },
            },
        });
        let page = page(&document);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("'\""), "{page}");
        assert!(page.matches("&lt;script&gt;").count() > 15, "{page}");
    }
}
