//! Taking in the bytes of an upload: small ones in memory, the rest into a content file, in
//! bounded memory. Nothing here is visible to anybody until an operation's transaction names it.

use bytes::{Bytes, BytesMut};

use super::Dav;
use super::ids::random_version;
use crate::blobs::ContentWriter;
use crate::protocol::error::DavError;
use crate::resource::{ContentId, INLINE_BYTES_MAX, Place};
use crate::store::NewContent;

/// An upload under way. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Intake<'a> {
    dav: &'a Dav,
    size: u64,
    small: BytesMut,
    file: Option<(ContentId, ContentWriter)>,
}

impl<'a> Intake<'a> {
    /// Starts an upload of which `announced` bytes are expected, if that is known.
    pub fn new(dav: &'a Dav, announced: Option<u64>) -> Result<Self, DavError> {
        let intake = Self {
            dav,
            size: 0,
            small: BytesMut::new(),
            file: None,
        };
        intake.check_size(announced.unwrap_or(0))?;
        dav.require_room(announced.unwrap_or(0))?;
        Ok(intake)
    }

    /// Takes the next piece.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), DavError> {
        self.size += piece.len() as u64;
        self.check_size(self.size)?;
        if self.file.is_none() && self.small.len() + piece.len() <= INLINE_BYTES_MAX {
            self.small.extend_from_slice(&piece);
            return Ok(());
        }
        if self.file.is_none() {
            let id = self.dav.new_content_id().await?;
            let mut writer = self.dav.blobs.create(id)?;
            writer.write(self.small.split().freeze()).await?;
            self.file = Some((id, writer));
        }
        match &mut self.file {
            Some((_, writer)) => Ok(writer.write(piece).await?),
            None => Ok(()),
        }
    }

    /// How many bytes came in so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the upload: the bytes are on disk, or small enough to go with the transaction.
    pub async fn finish(self, media_type: Option<String>) -> Result<NewContent, DavError> {
        let (place, inline) = match self.file {
            Some((id, writer)) => {
                writer.finish().await?;
                (Place::File(id), None)
            }
            None if self.small.is_empty() => (Place::Empty, None),
            None => (
                Place::Inline(self.dav.new_content_id().await?),
                Some(self.small.freeze()),
            ),
        };
        Ok(NewContent {
            under: None,
            place,
            size: self.size,
            version: random_version()?,
            media_type,
            inline,
        })
    }

    fn check_size(&self, size: u64) -> Result<(), DavError> {
        let max = self.dav.config.limits.body_bytes_max;
        if size <= max {
            return Ok(());
        }
        Err(DavError::TooLarge(format!(
            "a file may have at most {max} bytes here (limits.body_bytes_max)"
        )))
    }
}

/// Content of which it is not known whether a transaction names it: from the moment its file is
/// complete until its transaction has succeeded. Whatever happens in between, a refusal or a
/// client that hangs up, so that the request ends at any of its waits, the sweep finds out.
#[derive(Debug)]
pub(super) struct Doubt<'a> {
    dav: &'a Dav,
    file: Option<ContentId>,
}

impl<'a> Doubt<'a> {
    pub(super) fn about(dav: &'a Dav, content: &NewContent) -> Self {
        let file = match content.place {
            Place::File(id) => Some(id),
            Place::Inline(_) | Place::Empty => None,
        };
        Self { dav, file }
    }

    /// It is named.
    pub(super) fn end(mut self) {
        self.file = None;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            self.dav.doubtful().push(file);
            self.dav.content_ended.notify_one();
        }
    }
}
