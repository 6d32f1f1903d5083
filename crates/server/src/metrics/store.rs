//! How full the store is.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;

use super::book::Book;
use crate::config::Config;

pub struct StoreFigures {
    bytes: Gauge,
    limit: Gauge,
    free: Gauge<f64, AtomicU64>,
}

/// How large the file of the store is, and how large it may become. What cannot be found out is zero, but for `free`.
#[derive(Debug, Clone, Default)]
pub struct StoreSize {
    bytes: u64,
    /// As it is configured.
    limit: Option<u64>,
    /// Free on its file system for this process; none where that cannot be found out.
    free: Option<u64>,
}

impl StoreSize {
    /// Asks the file system: it may block.
    pub fn read(config: &Config) -> Self {
        let bytes = std::fs::metadata(&config.store).map_or(0, |file| file.len());
        let system = rustix::fs::statvfs(&config.store).ok();
        let free = system.map(|system| system.f_bavail.saturating_mul(system.f_frsize));
        Self { bytes, limit: config.store_size_max.map(|size| size.0), free }
    }
}

impl StoreFigures {
    pub fn new(book: &mut Book) -> Self {
        let figures = Self { bytes: Gauge::default(), limit: Gauge::default(), free: Gauge::default() };
        book.add("store_bytes", &[], "Size of the file of the store, without its log", figures.bytes.clone());
        let help = "Largest size that the file may have (store_size_max); 0 without a limit";
        book.add("store_limit_bytes", &[], help, figures.limit.clone());
        let help = "Free bytes on the file system of the store; NaN where that cannot be found out";
        book.add("store_free_bytes", &[], help, figures.free.clone());
        figures
    }

    pub fn set(&self, size: &StoreSize) {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.bytes.set(number(size.bytes));
        self.limit.set(number(size.limit.unwrap_or(0)));
        // A figure of bytes needs no more digits than this has.
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 bytes a figure may be inexact")]
        self.free.set(size.free.map_or(f64::NAN, |free| free as f64));
    }
}
