//! Tests of contract packs through their doors: load, import, export.

mod bad_input;
mod loading;
mod mutations;
mod native;
mod packs;
mod scaffold;
