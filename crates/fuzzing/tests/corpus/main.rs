//! Everything that the fuzzer has found worth keeping is tried again, and so is what it begins with.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail like a test")]
#![expect(clippy::print_stdout, reason = "the last input that is named is the one that failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use tradewind_fuzzing::TARGETS;

/// The largest input that is kept, in bytes: what shows something is short.
const INPUT_BYTES_MAX: u64 = 16 * 1_024;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// In the order of their names, so that a failure comes again.
fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let mut check = (target.start)();
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        println!("seed {number}");
        check(&seed);
    }
    for file in names(&corpora().join(name)) {
        println!("fuzz/corpus/{name}/{file}");
        check(&fs::read(corpora().join(name).join(file)).unwrap());
    }
}

macro_rules! replays {
    ($($test:ident = $name:literal;)*) => {
        $(#[test]
        fn $test() {
            replay($name);
        })*

        #[test]
        fn every_target_has_its_corpus_its_program_and_its_test() {
            let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
            assert_eq!(names(&corpora()), targets);
            assert_eq!(targets.iter().map(String::as_str).collect::<Vec<_>>(), [$($name),*]);
            let programs = names(&corpora().join("../fuzz_targets"));
            assert_eq!(programs, targets.iter().map(|name| format!("{name}.rs")).collect());
        }
    };
}

replays! {
    callbacks_are_believed_only_from_the_provider = "callback";
    settings_that_are_taken_are_shown_as_settings = "config";
    cursors_say_what_was_put_into_them = "cursor";
    events_that_can_be_read_can_be_written = "envelope";
    requests_are_answered_as_the_api_promises = "request";
    segments_that_can_be_read_can_be_written = "segment";
    signed_carts_fit_their_signature_alone = "snapshot";
    tokens_speak_for_whom_they_say = "token";
}

#[test]
fn what_is_kept_is_short() {
    for name in names(&corpora()) {
        for file in names(&corpora().join(&name)) {
            let size = fs::metadata(corpora().join(&name).join(&file)).unwrap().len();
            assert!(size <= INPUT_BYTES_MAX, "fuzz/corpus/{name}/{file} has {size} bytes");
        }
    }
}
