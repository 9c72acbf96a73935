//! How this face says what a file is: its type, its size, its dates. Pure.

use crate::protocol::time::Timestamp;

/// What kind of thing a file is, as the clients number it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Unknown = 0,
    Archive = 1,
    Video = 2,
    Audio = 3,
    Image = 4,
    Spreadsheet = 5,
    Presentation = 6,
    Document = 7,
    Pdf = 10,
    Diagram = 11,
}

/// The extensions of each type, without the dot.
const EXTENSIONS: &[(FileType, &[&str])] = &[
    (
        FileType::Archive,
        &[
            "zip", "rar", "7z", "gz", "tgz", "tar", "bz2", "xz", "zst", "iso", "cab", "arj", "lzh",
            "ace", "jar", "enc", "z",
        ],
    ),
    (
        FileType::Video,
        &[
            "mp4", "m4v", "mov", "avi", "mkv", "webm", "ogv", "mpg", "mpeg", "wmv", "flv", "3gp",
            "asf", "vob", "mts", "m2ts",
        ],
    ),
    (
        FileType::Audio,
        &[
            "mp3", "wav", "flac", "ogg", "oga", "m4a", "aac", "wma", "opus", "aiff", "mid", "amr",
        ],
    ),
    (
        FileType::Image,
        &[
            "png", "jpg", "jpeg", "jpe", "gif", "bmp", "svg", "svgz", "tif", "tiff", "webp",
            "heic", "heif", "avif", "ico", "psd", "psb", "tga", "pcx", "emf", "wmf",
        ],
    ),
    (
        FileType::Spreadsheet,
        &[
            "xlsx", "xls", "xlsm", "xlsb", "xlt", "xltx", "xltm", "ods", "fods", "ots", "csv",
            "tsv", "et", "numbers", "gsheet",
        ],
    ),
    (
        FileType::Presentation,
        &[
            "pptx", "ppt", "pptm", "ppsx", "pps", "ppsm", "pot", "potx", "potm", "odp", "fodp",
            "otp", "odg", "dps", "key", "gslides",
        ],
    ),
    (
        FileType::Document,
        &[
            "docx", "doc", "docm", "dot", "dotx", "dotm", "odt", "fodt", "ott", "rtf", "txt", "md",
            "html", "htm", "mht", "mhtml", "epub", "fb2", "xml", "wps", "pages", "hwp", "hwpx",
            "gdoc", "djvu", "xps", "oxps", "docxf", "oform",
        ],
    ),
    (FileType::Pdf, &["pdf"]),
    (
        FileType::Diagram,
        &["vsdx", "vsd", "vssx", "vstx", "vsdm", "vssm", "vstm"],
    ),
];

impl FileType {
    /// By the name.
    pub(super) fn of(name: &str) -> Self {
        let extension = extension(name);
        let has = |(_, known): &&(Self, &[&str])| {
            known
                .iter()
                .any(|known| extension.strip_prefix('.') == Some(known))
        };
        EXTENSIONS
            .iter()
            .find(has)
            .map_or(Self::Unknown, |(kind, _)| *kind)
    }
}

/// `.docx`, in lower case; empty where there is none. A name that only begins with a dot has none.
pub(super) fn extension(name: &str) -> String {
    spelled_extension(name).to_lowercase()
}

/// The same as it is spelled.
pub(super) fn spelled_extension(name: &str) -> &str {
    match name.rfind('.') {
        Some(at) if at > 0 && at + 1 < name.len() => &name[at..],
        _ => "",
    }
}

/// The name for a file that is renamed to `title`: its extension stays what it was, as this API's
/// clients expect, who offer people the name without it.
pub(super) fn renamed(name: &str, title: &str) -> String {
    if extension(title) == extension(name) {
        return title.to_owned();
    }
    format!("{title}{}", spelled_extension(name))
}

/// `12.1 KB`: at most two decimals.
pub(super) fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut hundredths = u128::from(bytes) * 100;
    let mut unit = "bytes";
    for next in UNITS {
        if hundredths < 1024 * 100 {
            break;
        }
        hundredths = (hundredths + 512) / 1024;
        unit = next;
    }
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    let decimals = format!("{rest:02}");
    match decimals.trim_end_matches('0') {
        "" => format!("{whole} {unit}"),
        decimals => format!("{whole}.{decimals} {unit}"),
    }
}

/// `2026-01-01T00:00:00.0000000+00:00`, which is how these clients want a time.
pub(super) fn api_time(time: Timestamp) -> String {
    let seconds = time.rfc3339();
    let millis = time.0 % 1000;
    format!("{}.{millis:03}0000+00:00", seconds.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_and_types() {
        fn check(name: &str, ext: &str, kind: FileType) {
            assert_eq!(
                (extension(name).as_str(), FileType::of(name)),
                (ext, kind),
                "{name}"
            );
        }
        check("plan.docx", ".docx", FileType::Document);
        check("PLAN.DOCX", ".docx", FileType::Document);
        check("a.b.xlsx", ".xlsx", FileType::Spreadsheet);
        check("scan.pdf", ".pdf", FileType::Pdf);
        check("net.vsdx", ".vsdx", FileType::Diagram);
        check("talk.odp", ".odp", FileType::Presentation);
        check("photo.JPeG", ".jpeg", FileType::Image);
        check("a.tar.gz", ".gz", FileType::Archive);
        check("song.flac", ".flac", FileType::Audio);
        check("film.mkv", ".mkv", FileType::Video);
        check("Makefile", "", FileType::Unknown);
        check(".profile", "", FileType::Unknown);
        check("odd.", "", FileType::Unknown);
        check("x.ÄÖ", ".äö", FileType::Unknown);
        check("", "", FileType::Unknown);
    }

    #[test]
    fn a_file_keeps_its_extension() {
        fn check(name: &str, title: &str, expect: &str) {
            assert_eq!(renamed(name, title), expect, "{name} to {title}");
        }
        check("plan.docx", "report", "report.docx");
        check("plan.docx", "report.docx", "report.docx");
        check("plan.docx", "report.DOCX", "report.DOCX");
        check("plan.DocX", "report", "report.DocX");
        check("plan.docx", "report.pdf", "report.pdf.docx");
        check("plan.docx", "v1.2", "v1.2.docx");
        check("Makefile", "Rules", "Rules");
        check("Makefile", "Rules.mk", "Rules.mk");
        check(".profile", "bashrc", "bashrc");
    }

    #[test]
    fn sizes() {
        fn check(bytes: u64, expect: &str) {
            assert_eq!(human_size(bytes), expect, "{bytes}");
        }
        check(0, "0 bytes");
        check(1023, "1023 bytes");
        check(1024, "1 KB");
        check(1536, "1.5 KB");
        check(12_390, "12.1 KB");
        check(1024 * 1024, "1 MB");
        check(5_000_000_000, "4.66 GB");
        check(u64::MAX, "16384 PB");
    }

    #[test]
    fn times() {
        let time = Timestamp(1_767_225_600_007);
        assert_eq!(api_time(time), "2026-01-01T00:00:00.0070000+00:00");
    }
}
