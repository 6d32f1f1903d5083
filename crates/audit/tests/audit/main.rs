//! The audit on whole shops: clean where all went as it should, and seeing where somebody tampered.

mod imported;
mod largest;
mod shop;
mod split;
mod tampering;
mod whole;
