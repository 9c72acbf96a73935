//! The table of routes, and that the description tells exactly what it says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn api() -> Api {
    Api::new(HeaderValue::from_static("Basic realm=\"test\""))
}

fn rows(api: &Api) -> impl Iterator<Item = (&Face, &Route)> {
    api.faces
        .iter()
        .flat_map(|face| face.routes.iter().map(move |route| (face, route)))
}

#[test]
fn each_path_has_one_face() {
    fn check(path: &str, expect: &str) {
        assert_eq!(api().face_of(path).prefix, expect, "{path}");
    }
    check("/api/2.0/files", "/api/2.0");
    check("/api/2.0", "/api/2.0");
    check("/api/2.00", "/api");
    check("/api/events", "/api/events");
    check("/api/events/x", "/api/events");
    check("/api/eventsx", "/api");
    check("/api/token", "/api");
    check("/apidoc/nothing", "/api");
}

#[test]
fn each_row_is_found_by_its_own_address() {
    let api = api();
    for (face, route) in rows(&api) {
        let path = route.template.replace(['{', '}'], "");
        let (found, _) = find(&face.routes, &route.method, &path).expect("its own row");
        assert_eq!(found.operation, route.operation);
        assert!(
            route.template.starts_with(face.prefix),
            "{}",
            route.template
        );
    }
}

#[test]
fn what_a_template_names_is_described() {
    for (_, route) in rows(&api()) {
        let named: Vec<&str> = route
            .template
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let described: Vec<&str> = route
            .parameters
            .iter()
            .filter(|parameter| parameter.place == route::ParameterIn::Path)
            .map(|parameter| parameter.name)
            .collect();
        assert_eq!(named, described, "{}", route.operation);
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let api = api();
    let mut seen = BTreeSet::new();
    for (_, route) in rows(&api) {
        assert!(
            seen.insert(route.operation),
            "{} is there twice",
            route.operation
        );
        assert!(
            !route.tag.is_empty() && !route.summary.is_empty(),
            "{}",
            route.operation
        );
    }
    assert!(seen.len() > 10);
}

#[test]
fn the_description_has_every_row_and_nothing_else() {
    let api = api();
    let document = openapi::document(&api.faces);
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, told) in methods.as_object().expect("methods") {
            let id = told["operationId"].as_str().expect("an id");
            described.insert((path.clone(), method.to_uppercase(), id.to_owned()));
        }
    }
    let table: BTreeSet<_> = rows(&api)
        .map(|(_, route)| {
            let method = route.method.to_string();
            (
                route.template.to_owned(),
                method,
                route.operation.to_owned(),
            )
        })
        .collect();
    assert_eq!(described, table);
}

#[test]
fn the_description_tells_of_each_row_what_the_row_says() {
    let api = api();
    let document = openapi::document(&api.faces);
    for (_, route) in rows(&api) {
        let method = route.method.as_str().to_lowercase();
        let told = &document["paths"][route.template][method];
        let name = route.operation;
        let count = |member: &str| told[member].as_array().map_or(0, Vec::len);
        assert_eq!(count("parameters"), route.parameters.len(), "{name}");
        assert_eq!(
            told["requestBody"].is_object(),
            route.takes.is_some(),
            "{name}"
        );
        assert_eq!(told["security"].is_array(), route.public, "{name}");
        let own = route.answers.iter().map(|answer| answer.status);
        let usual = openapi::usual_refusals(route)
            .into_iter()
            .map(|(status, _)| status);
        let statuses: BTreeSet<String> = own.chain(usual).map(|s| s.to_string()).collect();
        let responses = told["responses"].as_object().expect("answers");
        let described: BTreeSet<String> = responses.keys().cloned().collect();
        assert_eq!(described, statuses, "{name}");
        let said = |answer: &Value| {
            answer["description"]
                .as_str()
                .is_some_and(|s| !s.is_empty())
        };
        assert!(responses.values().all(said), "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|inner| references(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }
    let document = openapi::document(&api().faces);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 5, "{found:?}");
    for reference in found {
        let pointer = reference
            .strip_prefix('#')
            .expect("a place in the same document");
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

/// One schema of a name is for what is sent, another for what is received: both must be the same.
#[test]
fn no_name_has_two_schemas() {
    let document = openapi::document(&api().faces);
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    assert!(schemas.len() > 8);
    let mut both = openapi::Schemas::new();
    for (_, route) in rows(&api()) {
        for (_, schema) in route.takes.iter().flat_map(|takes| &takes.media) {
            both.received(*schema);
        }
        for (_, schema) in route.answers.iter().filter_map(|answer| answer.body) {
            both.sent(schema);
        }
    }
    let (sent, received) = both.definitions();
    for (name, schema) in received {
        assert!(sent.get(name).is_none_or(|other| other == schema), "{name}");
    }
}

/// In a form `null` is a text of four letters.
#[test]
fn no_field_of_a_form_with_a_file_may_be_null() {
    let document = openapi::document(&api().faces);
    let mut fields = 0;
    for (_, route) in rows(&api()) {
        let mut schemas = openapi::Schemas::new();
        let media = route.takes.iter().flat_map(|takes| &takes.media);
        for (_, schema) in media.filter(|(media_type, _)| *media_type == media_type::MULTIPART) {
            let form = schemas.received(*schema);
            let pointer = form["$ref"]
                .as_str()
                .expect("a name")
                .trim_start_matches('#');
            let form = document.pointer(pointer).expect("a schema");
            for (name, field) in form["properties"].as_object().expect("fields") {
                assert!(!field.to_string().contains("null"), "{name}: {field}");
                fields += 1;
            }
        }
    }
    assert!(fields >= 3, "{fields}");
}

/// What a sign-in must say depends on how it is done.
#[test]
fn a_sign_in_is_described_for_each_way() {
    let document = openapi::document(&api().faces);
    let ways = &document["components"]["schemas"]["Login"]["oneOf"];
    let ways: Vec<_> = ways
        .as_array()
        .expect("ways")
        .iter()
        .map(|way| &way["required"])
        .collect();
    let expect = [
        serde_json::json!(["grant_type", "username", "password"]),
        serde_json::json!(["grant_type", "refresh_token"]),
    ];
    assert_eq!(ways, expect.iter().collect::<Vec<_>>());
}

#[test]
fn pages_name_no_other_host() {
    let document = openapi::document(&api().faces);
    let page = page::Pages::new(&document);
    for path in [
        "/apidoc",
        "/apidoc/index.html",
        "/apidoc/style.css",
        "/apidoc/openapi.json",
    ] {
        assert!(page.find(path).is_some(), "{path}");
    }
    assert!(page.find("/apidoc/x").is_none());
    assert!(!document.to_string().contains("http://"));
    assert!(!document.to_string().contains("https://"));
}
