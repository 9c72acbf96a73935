//! One moment in one tar file. Unpacked, it is a folder of moments.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::{
    ABOUT, BackupError, MOMENTS, ROWS, content_path, create_private, io_error, keep_out_others,
    pour, sync_folder,
};
use crate::blobs::whole::WholeContent;

/// A backup under way into a file.
#[derive(Debug)]
pub struct TarFile {
    path: PathBuf,
    aside: Aside,
    rows: Aside,
}

/// A file that is removed unless it gets another name.
#[derive(Debug)]
struct Aside {
    path: PathBuf,
    file: File,
}

impl Aside {
    fn create(path: PathBuf) -> Result<Self, BackupError> {
        let file = create_private(&path)?;
        keep_out_others(&file, &path)?;
        file.set_len(0).map_err(|error| io_error(&path, &error))?;
        Ok(Self { path, file })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // A run that follows overwrites what stays.
        let _ = fs::remove_file(&self.path);
    }
}

impl TarFile {
    pub(super) fn create(path: &Path) -> Result<Self, BackupError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let aside = |end: &str| Aside::create(path.with_file_name(format!(".{name}.{end}")));
        Ok(Self {
            aside: aside("new")?,
            rows: aside("rows")?,
            path: path.to_path_buf(),
        })
    }

    pub(super) fn rows(&self) -> &File {
        &self.rows.file
    }

    pub(super) fn rows_path(&self) -> &Path {
        &self.rows.path
    }

    pub(super) fn add(
        &mut self,
        content: &WholeContent,
        advance: &dyn Fn(u64),
    ) -> Result<(), BackupError> {
        let name = content.name();
        let path = &self.aside.path;
        let failed = |error: io::Error| io_error(path, &error);
        let file = &mut self.aside.file;
        write_head(file, &content_path(name), name.file_bytes).map_err(failed)?;
        pour(content, file, path, advance)?;
        write_tail(file, name.file_bytes).map_err(failed)
    }

    pub(super) fn finish(mut self, moment: &str, about: &[u8]) -> Result<(), BackupError> {
        self.write_moment(moment, about)
            .map_err(|error| io_error(&self.aside.path, &error))?;
        fs::rename(&self.aside.path, &self.path).map_err(|error| io_error(&self.path, &error))?;
        let folder = self.path.parent().filter(|path| path.as_os_str() != "");
        sync_folder(folder.unwrap_or(Path::new(".")))
    }

    fn write_moment(&mut self, moment: &str, about: &[u8]) -> io::Result<()> {
        let (file, rows) = (&mut self.aside.file, &mut self.rows.file);
        let rows_bytes = rows.seek(SeekFrom::End(0))?;
        rows.seek(SeekFrom::Start(0))?;
        write_head(file, &format!("{MOMENTS}/{moment}/{ROWS}"), rows_bytes)?;
        io::copy(rows, file)?;
        write_tail(file, rows_bytes)?;
        let about_bytes = about.len() as u64;
        write_head(file, &format!("{MOMENTS}/{moment}/{ABOUT}"), about_bytes)?;
        io::Write::write_all(file, about)?;
        write_tail(file, about_bytes)?;
        Builder::new(&mut *file).finish()?;
        file.sync_all()
    }
}

fn write_head(file: &mut File, name: &str, bytes: u64) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_path(name)?;
    header.set_mode(0o600);
    header.set_size(bytes);
    header.set_cksum();
    io::Write::write_all(file, header.as_bytes())
}

/// Members begin at multiples of 512.
fn write_tail(file: &mut File, bytes: u64) -> io::Result<()> {
    let over = usize::try_from(bytes.next_multiple_of(512) - bytes).unwrap_or_default();
    io::Write::write_all(file, &[0; 512][..over])
}
