//! What is in a folder: sorted, filtered, page by page. However many members it has, no more is
//! held in memory than could be on the page.

use std::cmp::Ordering;

use schemars::JsonSchema;

use super::describe::{FileType, extension};
use super::dto::FolderContentDto;
use super::entry::{Entry, path_parts};
use super::paging::{Count, StartIndex, count, start_index};
use super::seek;
use crate::ops::detail::Detail;
use crate::ops::properties::{Found, Look, Search, Wanted};
use crate::protocol::headers::Depth;
use crate::web::api::call::Call;
use crate::web::api::fault::Fault;
use crate::web::api::route::Route;

/// By what a listing is sorted. Some clients send what is not chosen as an empty text.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(extend("enum" = ["", "AZ", "DateAndTime", "DateAndTimeCreation", "Size", "Type"]))]
enum SortBy {
    Name,
    DateAndTime,
    DateAndTimeCreation,
    Size,
    Type,
}

/// In which direction; 0 is ascending and 1 descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(extend("enum" = ["", "ascending", "descending", "0", "1"]))]
enum SortOrder {
    Ascending,
    Descending,
}

/// What is left out.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct FilterType(#[schemars(extend("enum" = [0, 1, 2, 3, 4, 5, 7, 10, 12, 22, 25]))] u32);

/// Which part of a folder a call wants to see.
#[derive(Debug)]
pub(super) struct Selection {
    start: usize,
    count: usize,
    contains: String,
    kind: Kind,
    by: SortBy,
    order: SortOrder,
}

#[derive(Debug)]
enum Kind {
    All,
    Files,
    Folders,
    Of(&'static [FileType]),
}

/// The parameters of every route that lists.
pub(super) fn with_selection(route: Route) -> Route {
    route
        .query::<Count>("count", "How many at most; 100 where it is not said")
        .query::<StartIndex>("startIndex", "How many to leave out first")
        .query::<SortBy>(
            "sortBy",
            "By what to sort; AZ where it is not said. Folders come first",
        )
        .query::<SortOrder>("sortOrder", "In which direction")
        .query::<FilterType>(
            "filterType",
            "0 all, 1 files, 2 folders, 3 documents, 4 presentations, 5 spreadsheets, 7 images, \
             10 archives, 12 media, 22 PDF, 25 diagrams",
        )
        .query::<String>("filterValue", "What the title contains")
}

impl Selection {
    pub(super) fn of(call: &Call) -> Result<Self, Fault> {
        Ok(Self {
            start: start_index(call)?,
            count: count(call)?,
            contains: call.query("filterValue").unwrap_or_default().to_lowercase(),
            kind: kind(call)?,
            by: sort_by(call)?,
            order: sort_order(call)?,
        })
    }

    fn takes(&self, found: &Found) -> bool {
        let resource = &found.resource;
        let file = !resource.is_collection();
        let fits = match self.kind {
            Kind::All => true,
            Kind::Files => file,
            Kind::Folders => !file,
            Kind::Of(types) => file && types.contains(&FileType::of(&resource.name)),
        };
        fits && resource.name.to_lowercase().contains(&self.contains)
    }

    fn compare(&self, one: &Found, other: &Found) -> Ordering {
        let (a, b) = (&one.resource, &other.resource);
        let names = || {
            let (x, y) = (a.name.to_lowercase(), b.name.to_lowercase());
            x.cmp(&y).then_with(|| a.name.cmp(&b.name))
        };
        let wanted = match self.by {
            SortBy::Name => names(),
            SortBy::DateAndTime => a.modified.cmp(&b.modified).then_with(names),
            SortBy::DateAndTimeCreation => a.created.cmp(&b.created).then_with(names),
            SortBy::Size => a.size().cmp(&b.size()).then_with(names),
            SortBy::Type => extension(&a.name).cmp(&extension(&b.name)).then_with(names),
        };
        let wanted = match self.order {
            SortOrder::Ascending => wanted,
            SortOrder::Descending => wanted.reverse(),
        };
        b.is_collection().cmp(&a.is_collection()).then(wanted)
    }

    /// The members that are on the page, and how many there are in all.
    async fn pick(&self, mut search: Search) -> Result<Picked, Fault> {
        let last = self.start + self.count;
        let mut picked = Picked::default();
        // The first page is the folder itself.
        search.next_page().await?;
        while let Some(page) = search.next_page().await? {
            for found in page.into_iter().filter(|found| self.takes(found)) {
                if found.resource.is_collection() {
                    picked.folders += 1;
                } else {
                    picked.files += 1;
                }
                picked.page.push(found);
            }
            if picked.page.len() > 2 * last {
                picked.page.sort_by(|one, other| self.compare(one, other));
                picked.page.truncate(last);
            }
        }
        picked.page.sort_by(|one, other| self.compare(one, other));
        picked.page.truncate(last);
        picked.page.drain(..self.start.min(picked.page.len()));
        Ok(picked)
    }
}

#[derive(Debug, Default)]
struct Picked {
    page: Vec<Found>,
    files: usize,
    folders: usize,
}

/// A folder with the selected page of what is in it.
pub(super) async fn content(
    call: &Call,
    folder: &Detail,
    selection: &Selection,
) -> Result<FolderContentDto, Fault> {
    let id = folder.resource.id;
    let wanted = Wanted {
        dead: Look::Away,
        locks: Look::Up,
    };
    let search = call.dav.search(call.ask(id)?, Depth::One, wanted).await?;
    let Picked {
        page,
        files,
        folders,
    } = selection.pick(search).await?;
    let href = folder.path.href(true);
    let current = Entry::of(folder, &href);
    let entries: Vec<Entry<'_>> = page.iter().map(|found| Entry::found(found, id)).collect();
    let people = entries.iter().chain([&current]).flat_map(Entry::people);
    let teller = seek::teller(call, people).await?;
    let inner = entries
        .iter()
        .filter(|entry| entry.resource.is_collection());
    let mut told = teller.folder(&current);
    (told.files_count, told.folders_count) = (Some(files), Some(folders));
    Ok(FolderContentDto {
        files: entries
            .iter()
            .filter_map(|entry| teller.file(entry))
            .collect(),
        folders: inner.map(|entry| teller.folder(entry)).collect(),
        current: told,
        path_parts: path_parts(folder),
        start_index: selection.start,
        count: entries.len(),
        total: files + folders,
        new: 0,
    })
}

fn kind(call: &Call) -> Result<Kind, Fault> {
    let what = "one of 0, 1, 2, 3, 4, 5, 7, 10, 12, 22, 25";
    Ok(
        match call.parse_query::<u32>("filterType", what)?.unwrap_or(0) {
            0 => Kind::All,
            1 => Kind::Files,
            2 => Kind::Folders,
            3 => Kind::Of(&[FileType::Document]),
            4 => Kind::Of(&[FileType::Presentation]),
            5 => Kind::Of(&[FileType::Spreadsheet]),
            7 => Kind::Of(&[FileType::Image]),
            10 => Kind::Of(&[FileType::Archive]),
            12 => Kind::Of(&[FileType::Audio, FileType::Video]),
            22 => Kind::Of(&[FileType::Pdf]),
            25 => Kind::Of(&[FileType::Diagram]),
            other => {
                return Err(Fault::bad_request(format!(
                    "filterType must be {what}, not {other}"
                )));
            }
        },
    )
}

fn sort_by(call: &Call) -> Result<SortBy, Fault> {
    Ok(
        match call
            .query("sortBy")
            .unwrap_or_default()
            .to_lowercase()
            .as_str()
        {
            "" | "az" => SortBy::Name,
            "dateandtime" => SortBy::DateAndTime,
            "dateandtimecreation" => SortBy::DateAndTimeCreation,
            "size" => SortBy::Size,
            "type" => SortBy::Type,
            other => {
                return Err(Fault::bad_request(format!(
                    "sortBy must be AZ, DateAndTime, DateAndTimeCreation, Size or Type, not \
                     {other:?}"
                )));
            }
        },
    )
}

fn sort_order(call: &Call) -> Result<SortOrder, Fault> {
    Ok(
        match call
            .query("sortOrder")
            .unwrap_or_default()
            .to_lowercase()
            .as_str()
        {
            "" | "0" | "ascending" => SortOrder::Ascending,
            "1" | "descending" => SortOrder::Descending,
            other => {
                return Err(Fault::bad_request(format!(
                    "sortOrder must be ascending (0) or descending (1), not {other:?}"
                )));
            }
        },
    )
}
