//! Fuzzes the target `callback` of `tradewind-fuzzing`, which says what is asked of an input.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tradewind_fuzzing::run("callback", input));
