//! How the tests are run, as the environment says.

/// Whether the variable has this value.
///
/// # Panics
/// When it has another value.
#[expect(clippy::disallowed_methods, reason = "it is how tests are run, and no setting of a shop")]
pub(crate) fn is_on(variable: &str, value: &str) -> bool {
    match std::env::var(variable).as_deref() {
        Ok(is) if is == value => true,
        Ok(other) => panic!("{variable} is `{value}` or absent, not {other:?}"),
        Err(_) => false,
    }
}
