//! Reads a transcript and writes it back with other bodies. Knows the format, not HTTP.

use std::collections::HashMap;

/// A transcript, line by line as it was written, and what that means.
#[derive(Debug)]
pub(crate) struct Transcript {
    lines: Vec<String>,
    /// Settings of the server, in TOML.
    pub(crate) settings: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request: Message,
    pub(crate) answer: Message,
}

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Message {
    /// What stands behind `>` or `<`.
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Headers that must not be there.
    pub(crate) absent: Vec<String>,
    /// Placeholders and escapes are still in it.
    pub(crate) body: String,
    /// Its first line, from 1 on.
    pub(crate) line: usize,
    /// The lines of its body, from 0 on.
    body_lines: std::ops::Range<usize>,
}

/// Bodies with a name, and the words to be filled in.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bodies(HashMap<String, (Vec<String>, String)>);

impl Transcript {
    pub(crate) fn read(text: &str, bodies: &mut Bodies) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut settings = String::new();
        let mut messages = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let line = &lines[at];
            let rest = line.get(1..).unwrap_or_default().trim();
            match line.chars().next() {
                Some('!') => {
                    settings.push_str(rest);
                    settings.push('\n');
                    at += 1;
                }
                Some('=') => at = bodies.define(&lines, at),
                Some('>' | '<') => {
                    let message = Message::read(&lines, at, bodies);
                    at = message.body_lines.end;
                    messages.push((line.starts_with('>'), message));
                }
                None | Some('#') => at += 1,
                Some(_) => panic!("line {}: neither a request nor an answer: {line}", at + 1),
            }
        }
        let mut exchanges = Vec::new();
        let mut messages = messages.into_iter();
        while let Some((is_request, request)) = messages.next() {
            assert!(
                is_request,
                "line {}: an answer without a request",
                request.line
            );
            match messages.next() {
                Some((false, answer)) => exchanges.push(Exchange { request, answer }),
                _ => panic!("line {}: a request without an answer", request.line),
            }
        }
        Self {
            lines,
            settings,
            exchanges,
        }
    }

    /// The text with another body for the answers of these exchanges.
    pub(crate) fn with_bodies(mut self, bodies: Vec<(usize, String)>) -> String {
        for (index, body) in bodies.into_iter().rev() {
            let at = self.exchanges[index].answer.body_lines.clone();
            let mut new = Vec::new();
            if !body.is_empty() {
                new.push(String::new());
                new.extend(body.lines().map(str::to_owned));
            }
            if self
                .lines
                .get(at.end)
                .is_some_and(|line| !line.starts_with('>'))
            {
                new.push(String::new());
            }
            self.lines.splice(at, new);
        }
        let mut text = self.lines.join("\n").trim_end().to_owned();
        text.push('\n');
        text
    }
}

impl Message {
    fn read(lines: &[String], first: usize, bodies: &Bodies) -> Self {
        let mut at = first + 1;
        let mut message = Self {
            start: lines[first][1..].trim().to_owned(),
            headers: Vec::new(),
            absent: Vec::new(),
            body: String::new(),
            line: first + 1,
            body_lines: 0..0,
        };
        while let Some(line) = lines
            .get(at)
            .filter(|line| !line.is_empty() && !is_mark(line))
        {
            match (line.strip_prefix('-'), line.split_once(':')) {
                (Some(absent), _) => message.absent.push(absent.trim().to_owned()),
                (None, Some((name, value))) => {
                    message
                        .headers
                        .push((name.to_owned(), value.trim().to_owned()));
                }
                (None, None) => panic!("line {}: not a header: {line}", at + 1),
            }
            at += 1;
        }
        let begun = at;
        let ends = |line: &&String| is_mark(line) && !line.starts_with('=');
        while let Some(line) = lines.get(at).filter(|line| !ends(line)) {
            if let Some(call) = line.strip_prefix('=') {
                // Behind an empty line and at the end of a message, a definition may follow.
                if !message.body.is_empty() || bodies.expand(call).is_none() {
                    break;
                }
                message.body = bodies.expand(call).unwrap_or_default();
            } else {
                message.body.push_str(line.trim());
            }
            at += 1;
        }
        message.body_lines = begun..at;
        message
    }
}

/// Whether the line begins something else than a header or a line of a body.
fn is_mark(line: &str) -> bool {
    ["> ", "< ", "= ", "# ", "! "]
        .iter()
        .any(|mark| line.starts_with(mark))
        || line == "#"
}

impl Bodies {
    /// Reads a definition that begins at line `at`, and gives the line behind it.
    fn define(&mut self, lines: &[String], mut at: usize) -> usize {
        let mut words = lines[at][1..].split_whitespace().map(str::to_owned);
        let name = words
            .next()
            .unwrap_or_else(|| panic!("line {}: no name", at + 1));
        let mut body = String::new();
        at += 1;
        while let Some(line) = lines.get(at).filter(|line| !line.is_empty()) {
            body.push_str(line.trim());
            at += 1;
        }
        self.0.insert(name, (words.collect(), body));
        at
    }

    /// The body that `name word word…` stands for; the last word may have spaces in it.
    fn expand(&self, call: &str) -> Option<String> {
        let (name, words) = call.trim().split_once(' ').unwrap_or((call.trim(), ""));
        let (names, body) = self.0.get(name)?;
        let words: Vec<&str> = words
            .splitn(names.len().max(1), ' ')
            .filter(|word| !word.is_empty())
            .collect();
        assert_eq!(
            words.len(),
            names.len(),
            "= {name} wants {names:?}, not {words:?}"
        );
        let pairs = names.iter().zip(words);
        Some(pairs.fold(body.clone(), |body, (name, word)| {
            body.replace(&format!("{{{name}}}"), word)
        }))
    }
}
