//! What is measured does what it says, and in the worlds that are made for it. How fast is asked by nobody here.

mod settling;
mod worlds;
