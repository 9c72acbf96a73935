//! `multipart/form-data` as it comes: text fields are kept, the file is poured on in pieces.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::fault::Fault;
use crate::config;
use crate::ops::intake::Intake;
use crate::protocol::error::DavError;
use crate::web::body::RequestBody;

/// What the parser may hold before it gives something back, beside one piece of the body.
const HELD_BYTES_MAX: usize = 256 * 1024;
/// A form of more text fields was not made for us.
const FIELDS_MAX: usize = 32;

/// A form with a file in it, on its way in.
#[derive(Debug)]
pub(in crate::web) struct Form {
    multipart: Multipart<'static>,
    /// Bytes that the parser took since it last gave something back.
    held: Arc<AtomicUsize>,
    /// How long the whole body is, which is a little more than the file.
    length: Option<u64>,
    text_bytes_max: usize,
    fields: BTreeMap<String, String>,
    file: Option<Field<'static>>,
}

/// What the form says about the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct FileHead {
    /// The name of the field.
    pub(in crate::web) field: String,
    /// The name that the file has on the client's side.
    pub(in crate::web) name: Option<String>,
    /// What the client says it is.
    pub(in crate::web) media_type: Option<String>,
}

impl Form {
    pub(super) fn new(body: RequestBody, boundary: String, limits: &config::Limits) -> Self {
        let held = Arc::new(AtomicUsize::new(0));
        let length = body.length();
        // Each part is checked by its own limit; this one is for what surrounds them.
        let size = limits.body_bytes_max.saturating_add(1024 * 1024);
        let constraints = Constraints::new().size_limit(SizeLimit::new().whole_stream(size));
        let pieces = pieces(body, Arc::clone(&held));
        Self {
            multipart: Multipart::with_constraints(pieces, boundary, constraints),
            held,
            length,
            text_bytes_max: limits.json_bytes_max,
            fields: BTreeMap::new(),
            file: None,
        }
    }

    /// How many bytes the file has at most, if that is known.
    pub(in crate::web) fn length(&self) -> Option<u64> {
        self.length
    }

    /// A text field; all have been read when the file has been poured.
    pub(in crate::web) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Reads on up to the file: the first part with a file name, or called `file`.
    pub(in crate::web) async fn seek_file(&mut self) -> Result<FileHead, Fault> {
        match self.read_fields().await? {
            Some(file) => {
                let head = FileHead {
                    field: file.name().unwrap_or_default().to_owned(),
                    name: file.file_name().map(str::to_owned),
                    media_type: file.content_type().map(ToString::to_string),
                };
                self.file = Some(file);
                Ok(head)
            }
            None => Err(Fault::bad_request(
                "the form has no file: send it as the part `file`, with a file name",
            )),
        }
    }

    /// Pours the file into an upload, and reads the fields behind it.
    pub(in crate::web) async fn pour(&mut self, intake: &mut Intake<'_>) -> Result<(), Fault> {
        while let Some(file) = &mut self.file {
            self.held.store(0, Ordering::Relaxed);
            match file.chunk().await.map_err(|error| told(&error))? {
                Some(piece) => intake.push(piece).await?,
                None => self.file = None,
            }
        }
        match self.read_fields().await? {
            None => Ok(()),
            Some(_) => Err(Fault::bad_request("the form has two files; send one")),
        }
    }

    async fn read_fields(&mut self) -> Result<Option<Field<'static>>, Fault> {
        loop {
            self.held.store(0, Ordering::Relaxed);
            let next = self.multipart.next_field().await;
            let Some(field) = next.map_err(|error| told(&error))? else {
                return Ok(None);
            };
            if field.file_name().is_some() || field.name().is_some_and(is_file) {
                return Ok(Some(field));
            }
            self.keep(field).await?;
        }
    }

    async fn keep(&mut self, mut field: Field<'static>) -> Result<(), Fault> {
        let name = field.name().unwrap_or_default().to_owned();
        let mut text = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(|error| told(&error))? {
            self.held.store(0, Ordering::Relaxed);
            text.extend_from_slice(&piece);
            if text.len() > self.text_bytes_max {
                return Err(DavError::TooLarge(format!(
                    "the field {name:?} may have at most {} bytes (limits.json_bytes_max)",
                    self.text_bytes_max
                ))
                .into());
            }
        }
        let text = String::from_utf8(text)
            .map_err(|_| Fault::bad_request(format!("the field {name:?} must be UTF-8")))?;
        if self.fields.len() == FIELDS_MAX {
            return Err(DavError::TooLarge(format!(
                "a form may have at most {FIELDS_MAX} text fields"
            ))
            .into());
        }
        if self.fields.insert(name.clone(), text).is_some() {
            return Err(Fault::bad_request(format!("the form has {name:?} twice")));
        }
        Ok(())
    }
}

/// Clients that give no file name call it so.
fn is_file(field: &str) -> bool {
    field.eq_ignore_ascii_case("file")
}

/// The body for the parser, which takes whatever is ready before it gives anything back: here one
/// piece is ready at a time, and no more than [`HELD_BYTES_MAX`] in vain.
fn pieces(
    body: RequestBody,
    held: Arc<AtomicUsize>,
) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((body, held)), |state| async {
        let (mut body, held) = state?;
        tokio::task::yield_now().await;
        let piece = body.next().await?;
        let piece = piece.and_then(|piece| {
            let before = held.fetch_add(piece.len(), Ordering::Relaxed);
            if before > HELD_BYTES_MAX {
                return Err(std::io::Error::other("the head of a part is too long"));
            }
            Ok(piece)
        });
        let next = piece.is_ok().then_some((body, held));
        Some((piece, next))
    })
}

fn told(error: &multer::Error) -> Fault {
    match error {
        multer::Error::StreamSizeExceeded { limit } => {
            DavError::TooLarge(format!("a form may have at most {limit} bytes")).into()
        }
        multer::Error::StreamReadFailed(cause) => Fault::incomplete(cause),
        other => Fault::bad_request(format!("the form cannot be read: {other}")),
    }
}
