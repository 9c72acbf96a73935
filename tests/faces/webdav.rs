//! WebDAV.

use crate::common::{Client, Response};
use crate::faces::Face;
use crate::site::Site;
use crate::words::{Action, File, Kind, OfVersion, Outcome, Seen, Standing, refusing_in, seconds};

pub(super) struct WebDav;

/// A token that no lock ever had.
const NO_TOKEN: &str = "urn:uuid:00000000-0000-4000-8000-000000000000";

impl Face for WebDav {
    fn takes(&self) -> &'static [Kind] {
        &Kind::ALL
    }

    fn actions(&self) -> &'static [Action] {
        &Action::ALL
    }

    fn shows_tokens(&self) -> bool {
        true
    }

    fn releases_named(&self) -> bool {
        true
    }

    fn take(&self, site: &Site, file: &File, who: Standing, kind: Kind) -> Outcome {
        lock(site.client(who), &file.path(), "0", kind)
    }

    fn take_folder(&self, site: &Site, file: &File, kind: Kind) -> Option<Outcome> {
        let alice = site.client(Standing::Owner);
        let path = format!("{}/", file.folder_path);
        Some(lock(alice, &path, "infinity", kind))
    }

    fn act(&self, site: &Site, file: &File, who: Standing, action: Action) -> Outcome {
        let client = site.client(who);
        let (method, success, destination) = match action {
            Action::Upload => ("PUT", 204, None),
            Action::Rename => ("MOVE", 201, Some(file.renamed())),
            Action::Move => ("MOVE", 201, Some(file.moved())),
            Action::Delete => ("DELETE", 204, None),
        };
        let destination = destination.map(|path| client.url(&path));
        let submitted = submitted(file, None);
        let mut headers = Vec::new();
        if let Some(destination) = &destination {
            headers.push(("Destination", destination.as_str()));
        }
        if who.shows_tokens() && !submitted.is_empty() {
            headers.push(("If", submitted.as_str()));
        }
        let body = if action == Action::Upload { "two" } else { "" };
        let answer = client.send(method, &file.path(), &headers, body);
        outcome(&answer, success, "lock-token-submitted")
    }

    fn of_versions(&self) -> &'static [OfVersion] {
        &[OfVersion::Restore]
    }

    /// A COPY from the history collection onto the file itself.
    fn of_version(&self, site: &Site, file: &File, who: Standing, _: OfVersion) -> Outcome {
        let client = site.client(who);
        let (path, destination) = (file.path(), client.url(&file.path()));
        let stem = file.name.trim_end_matches(".txt");
        let version = format!("/.lockkeeper/history{path}/{stem}%20(version%201).txt");
        // The tokens are of the file and not of what stands for its version.
        let submitted = submitted(file, Some(&destination));
        let mut headers = vec![("Destination", destination.as_str())];
        if who.shows_tokens() && !submitted.is_empty() {
            headers.push(("If", submitted.as_str()));
        }
        let answer = client.send("COPY", &version, &headers, "");
        outcome(&answer, 204, "lock-token-submitted")
    }

    fn see(&self, site: &Site, file: &File, who: Standing) -> Result<Vec<Seen>, Outcome> {
        locks_at(site.client(who), &file.path())
    }

    fn refresh(&self, site: &Site, file: &File, who: Standing, token: &str) -> Option<Outcome> {
        let submitted = format!("(<{token}>)");
        let headers = [("If", submitted.as_str()), ("Timeout", "Second-1200")];
        let answer = site.client(who).send("LOCK", &file.path(), &headers, "");
        Some(outcome(&answer, 200, "lock-token-submitted"))
    }

    fn release(&self, site: &Site, file: &File, who: Standing, token: Option<&str>) -> Outcome {
        let token = token.unwrap_or(NO_TOKEN);
        let answer = site.client(who).unlock(&file.path(), token);
        outcome(&answer, 204, "")
    }
}

/// The tokens as an `If` has them, of the resource that it names or of the request's own.
fn submitted(file: &File, of: Option<&str>) -> String {
    let tag = of.map_or_else(String::new, |url| format!("<{url}> "));
    let tokens = file.tokens();
    let lists: Vec<String> = tokens.iter().map(|token| format!("(<{token}>)")).collect();
    if lists.is_empty() {
        return String::new();
    }
    format!("{tag}{}", lists.join(" "))
}

fn lock(client: &Client, path: &str, depth: &str, kind: Kind) -> Outcome {
    let (timeout, element) = match kind {
        Kind::Persistent => ("Infinite", ""),
        Kind::Transient => ("Second-600", ""),
        Kind::ReadOnly => (
            "Infinite",
            "<L:kind xmlns:L='urn:lockkeeper:dav'><L:read-only/></L:kind>",
        ),
    };
    let body = format!(
        "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope>\
         <locktype><write/></locktype>{element}</lockinfo>"
    );
    let headers = [("Depth", depth), ("Timeout", timeout)];
    let answer = client.send("LOCK", path, &headers, body);
    outcome(&answer, 200, "no-conflicting-lock")
}

/// What `DAV:lockdiscovery` shows.
fn locks_at(client: &Client, path: &str) -> Result<Vec<Seen>, Outcome> {
    let query = "<propfind xmlns='DAV:'><prop><lockdiscovery/></prop></propfind>";
    let answer = client.propfind(path, "0", query);
    if answer.status != 207 {
        return Err(outcome(&answer, 207, ""));
    }
    let date = httpdate::parse_http_date(answer.expect_header("date")).expect("a date");
    let now = date.duration_since(std::time::UNIX_EPOCH).expect("now");
    let text = answer.text();
    let lock = |text: &str| {
        let timeout = between(text, "D:timeout")?;
        let in_seconds = timeout.strip_prefix("Second-");
        Some(Seen {
            kind: Kind::parse(between(text, "L:kind")?)?,
            holder: between(text, "L:holder")?.to_owned(),
            since: seconds(between(text, "L:since")?),
            ends: in_seconds.map(|text| now.as_secs() + text.parse::<u64>().expect("seconds")),
            token: between(text, "D:locktoken").map(|href| in_href(href).to_owned()),
        })
    };
    let mut locks = Vec::new();
    for active in text.split("<D:activelock>").skip(1) {
        locks.push(lock(active).ok_or_else(|| Outcome::Odd(answer.to_string()))?);
    }
    locks.sort();
    Ok(locks)
}

/// The answer is this status, or a refusal in the words of RFC 4918 and §8 of the lock model; of
/// one by locks this is the precondition.
fn outcome(answer: &Response, success: u16, precondition: &str) -> Outcome {
    let text = answer.text();
    let odd = || Outcome::Odd(answer.to_string());
    match answer.status {
        status if status == success => Outcome::Done,
        403 if text.contains("<D:need-privileges>") => Outcome::NoPrivilege,
        // UNLOCK of somebody else's lock, in one sentence.
        403 if precondition.is_empty() => Outcome::refused_in(&text).unwrap_or_else(odd),
        404 => Outcome::NotFound,
        409 => Outcome::Conflict,
        412 => Outcome::FalseCondition,
        423 if text.contains(&format!("<D:{precondition}><D:href>")) => {
            named_in(&text).map_or_else(odd, Outcome::RefusedByLock)
        }
        _ => odd(),
    }
}

/// The locks that the body of a 423 names, if its sentences name the same.
fn named_in(text: &str) -> Option<Vec<(Kind, String)>> {
    let lock = |text: &str| {
        let kind = Kind::parse(between(text, "L:kind")?)?;
        Some((kind, between(text, "L:holder")?.to_owned()))
    };
    let named: Option<Vec<_>> = text.split("<L:lock>").skip(1).map(lock).collect();
    let mut named = named?;
    named.sort();
    (!named.is_empty() && named == refusing_in(text)).then_some(named)
}

fn in_href(element: &str) -> &str {
    between(element, "D:href").unwrap_or_default()
}

fn between<'a>(text: &'a str, element: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{element}>"))?;
    let (inside, _) = rest.split_once(&format!("</{element}>"))?;
    Some(inside)
}
