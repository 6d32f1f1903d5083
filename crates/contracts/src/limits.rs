//! Every bound of translation, in one place. What is over a limit is refused with a reason of its own.

/// The largest body of one message, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// How deep objects and lists of a message may lie in each other.
pub const DEPTH_MAX: usize = 64;

/// The most entries of one map, object or list of a message.
pub const ENTRIES_MAX: usize = 10_000;

/// The most elements of a list that a mapping builds or reads, such as the lines of an order.
pub const LINES_MAX: usize = tradewind_events::LINES_MAX;

/// The most files of a pack.
pub const PACK_FILES_MAX: usize = 500;

/// The largest file of a pack, in bytes.
pub const PACK_FILE_BYTES_MAX: usize = 1 << 20;

/// The most bytes of all files of a pack together.
pub const PACK_BYTES_MAX: usize = 8 << 20;

/// The most faults of a pack that one check lists.
pub const FAULTS_MAX: usize = 100;

/// The most messages of a pack.
pub const MESSAGES_MAX: usize = 1_000;

/// The most lines of one mapping.
pub const MAPPING_LINES_MAX: usize = 500;
