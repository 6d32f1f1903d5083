//! Damage in pages that nobody reads: the file is read beside SQLite, a part at a time, and its checksums are compared. It
//! needs no snapshot, so the log is not kept from being put back meanwhile.

use std::{io, os::unix::fs::FileExt, thread, time::Duration};

use tradewind_engine::ports::StoreError;

use crate::{SqliteReader, inode::Inode};

/// Bytes that are read at a time: a multiple of every size of a page.
const PART_BYTES: u64 = 1024 * 1024;

/// Bytes of a checksum, at the end of its page. As in `sealed.c`, like all that follows.
const SEAL_BYTES: usize = 8;
const SEAL_BYTES_U8: u8 = 8;

/// Where the header says how many bytes of each page are reserved for it.
const RESERVED_AT: usize = 20;

const HEADER_BYTES: usize = 100;

/// So many zeros before a missing checksum are no content.
const LOST_BYTES_MIN: usize = 64;

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
const OTHER: u64 = 0xC2B2_AE3D_27D4_EB4F;

/// A page may be read while SQLite writes it. One that stays wrong for so many looks is not being written.
const LOOKS: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl SqliteReader {
    /// Compares the checksums of the part that begins at this byte; returns where the next one begins.
    pub(crate) fn scrub_part(&self, from: u64) -> Result<Option<u64>, StoreError> {
        let inode = self.pool.source.inode();
        let failed = |error: &io::Error| StoreError::Unusable(format!("the store cannot be read: {error}"));
        let Some(page_bytes) = page_bytes(inode).map_err(|error| failed(&error))? else { return Ok(None) };
        let mut part = vec![0; usize::try_from(PART_BYTES).unwrap_or(0)];
        let read = read_at(inode, &mut part, from).map_err(|error| failed(&error))?;
        for (nth, page) in part[..read].chunks_exact(page_bytes).enumerate() {
            let number = from / page_bytes as u64 + nth as u64 + 1;
            if !is_whole(page, number) && stays_wrong(inode, page_bytes, number).map_err(|error| failed(&error))? {
                let damage = StoreError::Corrupt(format!("page {number} of it is not what was written"));
                return Err(self.pool.note(damage));
            }
        }
        Ok((read == part.len()).then_some(from + PART_BYTES))
    }
}

/// `None` where pages have no checksums.
fn page_bytes(inode: &Inode) -> io::Result<Option<usize>> {
    let mut header = [0; 100];
    if read_at(inode, &mut header, 0)? < header.len() {
        return Ok(None);
    }
    let bytes = match two(&header, 16) {
        1 => 65_536,
        bytes => bytes,
    };
    let is_size = bytes >= 512 && bytes.is_power_of_two();
    let has_checksums = header[RESERVED_AT] == SEAL_BYTES_U8 || (is_size && lost_its_header(inode, bytes)?);
    Ok((is_size && has_checksums).then_some(bytes))
}

/// Whether the first page has a checksum, although the header says now that pages have none.
fn lost_its_header(inode: &Inode, page_bytes: usize) -> io::Result<bool> {
    let mut page = vec![0; page_bytes];
    let is_whole_page = read_at(inode, &mut page, 0)? == page_bytes;
    page[RESERVED_AT] = SEAL_BYTES_U8;
    let (content, seal) = page.split_at(page_bytes - SEAL_BYTES);
    Ok(is_whole_page && word(seal) == checksum(content, 1))
}

/// As much as there is.
fn read_at(inode: &Inode, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match inode.file()?.read_at(&mut buffer[read..], from + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn stays_wrong(inode: &Inode, page_bytes: usize, number: u64) -> io::Result<bool> {
    let mut page = vec![0; page_bytes];
    for _ in 0..LOOKS {
        pause();
        let read = read_at(inode, &mut page, (number - 1) * page_bytes as u64)?;
        if read < page_bytes || is_whole(&page, number) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the page matches its checksum. It may have none, unless its end was lost.
fn is_whole(page: &[u8], number: u64) -> bool {
    let (content, seal) = page.split_at(page.len() - SEAL_BYTES);
    match word(seal) {
        0 => !has_lost_its_end(content, number),
        seal => seal == checksum(content, number),
    }
}

/// Whether the last bytes are zeros where SQLite has put something.
fn has_lost_its_end(content: &[u8], number: u64) -> bool {
    let head = &content[if number == 1 { HEADER_BYTES } else { 0 }..];
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    is_zero(&content[content.len() - LOST_BYTES_MIN..])
        && match head[0] {
            0x02 | 0x05 | 0x0a | 0x0d => !is_zero(&head[3..5]),
            _ => !is_zero(&head[..4]) && two(head, 4) * 0x1_0000 + two(head, 6) > (content.len() + SEAL_BYTES) / 4,
        }
}

fn two(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

fn checksum(content: &[u8], number: u64) -> u64 {
    let mut lanes = [number, number ^ ODD, number.wrapping_add(OTHER), !number];
    for (nth, bytes) in content.chunks_exact(8).enumerate() {
        let lane = &mut lanes[nth % 4];
        *lane = lane.wrapping_add(word(bytes).wrapping_mul(OTHER)).rotate_left(31).wrapping_mul(ODD);
    }
    let turned = [1, 7, 12, 18].iter().zip(lanes).map(|(by, lane)| lane.rotate_left(*by));
    let sum = turned.fold(0_u64, u64::wrapping_add);
    let sum = (sum ^ (sum >> 33)).wrapping_mul(OTHER);
    (sum ^ (sum >> 29)).max(1)
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when another thread has written a page")]
fn pause() {
    thread::sleep(LOOK_EVERY);
}
