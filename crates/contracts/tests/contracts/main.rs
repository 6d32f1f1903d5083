//! Tests of contract packs through their doors: load, import, export.

mod bad_input;
mod loading;
mod native;
mod packs;
