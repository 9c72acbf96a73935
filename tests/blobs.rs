//! Content files, in both forms.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use lockkeeper::blobs::{Blobs, PIECE_BYTES_MAX};
use lockkeeper::resource::ContentId;
use lockkeeper::store::engine::StoreError;
use tempfile::TempDir;

/// Bytes that tell their place, so that a piece in the wrong order shows.
fn sample(len: usize) -> Bytes {
    (0..len)
        .map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 255).unwrap())
        .collect()
}

async fn write(blobs: &Blobs, id: ContentId, content: &Bytes, piece: usize) {
    let mut writer = blobs.create(id).unwrap();
    for start in (0..content.len()).step_by(piece) {
        writer
            .write(content.slice(start..content.len().min(start + piece)))
            .await
            .unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), content.len() as u64);
}

async fn read(blobs: &Blobs, id: ContentId) -> Vec<u8> {
    let mut reader = blobs.open_content(id).await.unwrap();
    let mut content = Vec::new();
    loop {
        let piece = reader.read(content.len() as u64, usize::MAX).await.unwrap();
        assert!(piece.len() <= PIECE_BYTES_MAX);
        if piece.is_empty() {
            assert_eq!(reader.size(), content.len() as u64);
            return content;
        }
        content.extend_from_slice(&piece);
    }
}

async fn ids(blobs: &Blobs, watermark: u64) -> Vec<u64> {
    let mut ids = Vec::new();
    for page in 0..=u8::MAX {
        let found = blobs
            .list_older_than(ContentId(watermark), page)
            .await
            .unwrap();
        ids.extend(found.into_iter().map(|id| id.0));
    }
    ids.sort_unstable();
    ids
}

async fn what_is_written_is_read(blobs: Blobs) {
    let sizes = [0, 1, 4097, 262_144, 524_288, 524_289, 3_000_000];
    let pieces = [1_000, 65_536, 524_288, 4_000_000];
    let mut id = 0;
    for size in sizes {
        for piece in pieces {
            id += 1;
            let content = sample(size);
            write(&blobs, ContentId(id), &content, piece).await;
            assert!(
                read(&blobs, ContentId(id)).await == content,
                "{size} in pieces of {piece}"
            );
        }
    }
}

async fn ranges_are_read(blobs: Blobs) {
    let content = sample(1_000_000);
    write(&blobs, ContentId(7), &content, 100_000).await;
    let mut reader = blobs.open_content(ContentId(7)).await.unwrap();
    for (offset, len, expect) in [
        (0, 10, 0..10),
        (999_990, 100, 999_990..1_000_000),
        (500_000, 1, 500_000..500_001),
        (1_000_000, 5, 0..0),
        (u64::MAX, 5, 0..0),
        (5, 0, 0..0),
    ] {
        let found = reader.read(offset, len).await.unwrap();
        assert_eq!(found, content.slice(expect), "{len} from {offset}");
    }
}

async fn a_removed_file_stays_readable_where_it_is_open(blobs: Blobs) {
    let content = sample(600_000);
    write(&blobs, ContentId(9), &content, 100_000).await;
    let mut reader = blobs.open_content(ContentId(9)).await.unwrap();
    blobs.remove(&[ContentId(9)]).await.unwrap();
    blobs.remove(&[ContentId(9)]).await.unwrap();
    assert_eq!(reader.read(0, 100).await.unwrap(), content.slice(..100));
    let gone = blobs.open_content(ContentId(9)).await;
    assert!(matches!(gone, Err(StoreError::Damaged(_))), "{gone:?}");
}

async fn what_was_set_aside_is_read(blobs: Blobs) {
    let content = sample(3_000_000);
    write(&blobs, ContentId(3), &content, 524_288).await;
    let mut open = blobs.open_content(ContentId(3)).await.unwrap();
    for _ in 0..10 {
        blobs.set_aside(ContentId(3), 3_000_000);
        blobs.set_aside(ContentId(4), 3_000_000);
        assert_eq!(open.read(70_000, 9).await.unwrap(), content[70_000..70_009]);
        assert!(read(&blobs, ContentId(3)).await == content);
    }
}

async fn an_id_is_written_once(blobs: Blobs) {
    write(&blobs, ContentId(5), &sample(10), 10).await;
    let again = blobs.create(ContentId(5));
    let again = again.map(|mut writer| async {
        writer.write(sample(20)).await?;
        writer.finish().await
    });
    assert!(again.is_err() || again.unwrap().await.is_err());
    assert_eq!(read(&blobs, ContentId(5)).await, sample(10));
}

async fn old_files_are_listed(blobs: Blobs) {
    let all = [1, 255, 256, 257, 0x1234_5678, u64::MAX];
    for id in all {
        write(&blobs, ContentId(id), &sample(3), 3).await;
    }
    assert_eq!(ids(&blobs, 257).await, [1, 255, 256]);
    assert_eq!(ids(&blobs, u64::MAX).await, all[..5]);
    assert_eq!(ids(&blobs, 0).await, [0; 0]);
}

macro_rules! both_forms {
    ($($test:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Blobs::memory()).await;
            })*
        }
        mod in_a_folder {
            $(#[tokio::test]
            async fn $test() {
                let dir = tempfile::tempdir().unwrap();
                super::$test(super::Blobs::open(dir.path(), 0).unwrap()).await;
            })*
        }
    };
}

both_forms! {
    what_is_written_is_read,
    ranges_are_read,
    a_removed_file_stays_readable_where_it_is_open,
    what_was_set_aside_is_read,
    an_id_is_written_once,
    old_files_are_listed,
}

/// All files below `dir`.
fn files(dir: &TempDir) -> Vec<String> {
    let folders = std::fs::read_dir(dir.path()).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn an_unfinished_file_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut writer = blobs.create(ContentId(0xabcd)).unwrap();
        writer.write(sample(2_000_000)).await.unwrap();
        assert_eq!(files(&dir), ["000000000000abcd"]);
        drop(writer);
    });
    let mut left = blobs.create(ContentId(1)).unwrap();
    let writing = left.write(sample(2_000_000));
    runtime.block_on(writing).unwrap();
    // The end of the runtime forgets what no thread has begun.
    let path = dir.path().join("01/0000000000000001");
    while std::fs::metadata(&path).map_or(0, |file| file.len()) < 3 * 512 * 1024 {
        std::thread::yield_now();
    }
    // The end of the runtime waits for the removal that its threads do.
    drop(runtime);
    assert_eq!(files(&dir), ["0000000000000001"]);
    drop(left);
    assert_eq!(files(&dir), [""; 0], "also without a runtime");
}

#[tokio::test]
async fn what_is_no_content_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap();
    for name in [
        "lost+found",
        "1",
        "+00000000000000f",
        "000000000000000A",
        "é",
    ] {
        std::fs::write(dir.path().join("0a").join(name), "?").unwrap();
    }
    write(&blobs, ContentId(10), &sample(3), 3).await;
    assert_eq!(ids(&blobs, 99).await, [10]);
}

#[tokio::test]
async fn the_reserve_of_the_disk_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path(), u64::MAX).unwrap();
    let space = blobs.space().unwrap();
    assert_eq!(space.available, 0);
    assert!(space.used <= space.total && space.total > 0);
    assert_eq!(blobs.has_room(1), Err(StoreError::Full));
    assert_eq!(blobs.has_room(0), Ok(()));
    let mut writer = blobs.create(ContentId(1)).unwrap();
    writer.write(sample(10)).await.unwrap();
    assert_eq!(writer.finish().await, Err(StoreError::Full));

    let roomy = Blobs::open(dir.path(), 0).unwrap();
    assert_eq!(roomy.has_room(1), Ok(()));
    assert_eq!(roomy.has_room(u64::MAX), Err(StoreError::Full));
}

#[tokio::test]
async fn memory_is_bounded_and_a_file_with_a_gap_is_not_finished() {
    let blobs = Blobs::memory_of(1_000);
    write(&blobs, ContentId(1), &sample(600), 600).await;
    assert_eq!(blobs.space().unwrap().available, 400);
    let mut writer = blobs.create(ContentId(2)).unwrap();
    writer.write(sample(300)).await.unwrap();
    assert_eq!(writer.write(sample(300)).await, Err(StoreError::Full));
    assert!(writer.write(sample(50)).await.is_err());
    assert!(writer.finish().await.is_err());
    assert_eq!(ids(&blobs, 99).await, [1]);
}

#[tokio::test]
async fn a_file_cut_short_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap();
    write(&blobs, ContentId(3), &sample(300_000), 300_000).await;
    let mut reader = blobs.open_content(ContentId(3)).await.unwrap();
    let file = dir.path().join("03").join("0000000000000003");
    std::fs::OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(100)
        .unwrap();
    for damaged in [
        reader.read(0, 50).await.err(),
        reader.read(100, 500).await.err(),
        blobs.open_content(ContentId(3)).await.err(),
    ] {
        let told = damaged.expect("it is noticed").to_string();
        assert!(
            told.contains("0000000000000003: it was cut short"),
            "{told}"
        );
    }
}

/// Whatever bit of a content file changes: no byte of the block that it belongs to is read, and
/// what is read is what was written.
#[tokio::test]
async fn a_flipped_bit_is_never_served() {
    let dir = TempDir::new().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap();
    let content = sample(300_000);
    write(&blobs, ContentId(7), &content, 65_536).await;
    let path = dir.path().join("07").join(format!("{:016x}", 7));
    let whole = std::fs::read(&path).unwrap();
    for at in (0..content.len())
        .step_by(9_973)
        .chain(content.len()..whole.len())
    {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, flipped).unwrap();
        let Ok(mut reader) = blobs.open_content(ContentId(7)).await else {
            continue;
        };
        let mut damaged = 0;
        let offsets = (0..content.len()).step_by(5_000);
        for offset in offsets.chain([content.len() - 1]) {
            match reader.read(offset as u64, 100).await {
                Ok(bytes) => assert!(bytes == content[offset..offset + bytes.len()]),
                Err(StoreError::Damaged(_)) => damaged += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(damaged > 0, "the flip of byte {at} was not noticed");
    }
}

/// One that is read at once is refused at once.
#[tokio::test]
async fn a_flipped_bit_of_a_small_content_is_noticed_when_it_is_opened() {
    let dir = TempDir::new().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap();
    for size in [1, 65_536, 65_537, PIECE_BYTES_MAX] {
        let id = ContentId(size as u64);
        write(&blobs, id, &sample(size), 65_536).await;
        let name = format!("{:016x}", id.0);
        let path = dir.path().join(&name[14..]).join(&name);
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len().div_ceil(40)) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, flipped).unwrap();
            let opened = blobs.open_content(id).await;
            assert!(
                matches!(opened, Err(StoreError::Damaged(_))),
                "the flip of byte {at} of {size} was not noticed"
            );
        }
    }
}

/// Whatever is remembered, forgotten and removed meanwhile: what is read is what was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_remembered_is_what_was_written() {
    const IDS: u64 = 100;
    let dir = TempDir::new().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap().remembering(3 << 20);
    let content = |id: u64| {
        let size = 1 + usize::try_from(id * 7_919 % 300_000).unwrap();
        let mut bytes = sample(size).to_vec();
        bytes[0] = u8::try_from(id % 256).unwrap();
        Bytes::from(bytes)
    };
    let writing = async {
        for id in 0..IDS {
            write(&blobs, ContentId(id), &content(id), 65_536).await;
            if id % 3 == 0 {
                blobs.remove(&[ContentId(id / 2)]).await.unwrap();
            }
        }
    };
    let reading = |seed: u64| {
        let blobs = blobs.clone();
        tokio::spawn(async move {
            for step in 0..4 * IDS {
                let id = (step / 4 + step * seed % 17) % IDS;
                let Ok(mut reader) = blobs.open_content(ContentId(id)).await else {
                    continue;
                };
                let expected = content(id);
                assert_eq!(reader.size(), expected.len() as u64);
                let piece = reader.read(0, usize::MAX).await.unwrap();
                assert!(piece == expected[..piece.len()], "content {id}");
            }
        })
    };
    let readers: Vec<_> = (1..=4).map(reading).collect();
    writing.await;
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn what_the_disk_has_is_asked_for_by_who_wants_to_know_that() {
    let dir = TempDir::new().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap().remembering(1 << 20);
    write(&blobs, ContentId(1), &sample(9_000), 9_000).await;
    assert_eq!(read(&blobs, ContentId(1)).await, sample(9_000));
    std::fs::remove_file(dir.path().join("01").join("0000000000000001")).unwrap();
    assert_eq!(read(&blobs, ContentId(1)).await, sample(9_000));
    assert!(blobs.open_stored(ContentId(1)).await.is_err());
    blobs.remove(&[ContentId(1)]).await.unwrap();
    assert!(blobs.open_content(ContentId(1)).await.is_err());
}

/// A misdirected write, or a restore from the wrong place: the file is whole, but not this one.
#[tokio::test]
async fn another_content_is_not_served_as_this_one() {
    let dir = TempDir::new().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap();
    for id in [0x0107, 0x0207] {
        write(&blobs, ContentId(id), &sample(10_000), 65_536).await;
    }
    let path = |id: u64| dir.path().join("07").join(format!("{id:016x}"));
    std::fs::rename(path(0x0107), path(0x0207)).unwrap();
    let error = blobs.open_content(ContentId(0x0207)).await.unwrap_err();
    assert!(
        error.to_string().contains("it is another content"),
        "{error}"
    );
}

#[tokio::test]
async fn sums_beyond_those_held_are_found() {
    let dir = TempDir::new().unwrap();
    let blobs = Blobs::open(dir.path(), 0).unwrap();
    let content = sample(70 << 20);
    write(&blobs, ContentId(1), &content, 1 << 20).await;
    let mut reader = blobs.open_content(ContentId(1)).await.unwrap();
    for offset in [0, 69 << 20, 1 << 20, 65 << 20, 64 << 20, (70 << 20) - 1] {
        let piece = reader.read(offset as u64, 300_000).await.unwrap();
        assert!(
            piece == content[offset..offset + piece.len()],
            "at {offset}"
        );
    }
}
