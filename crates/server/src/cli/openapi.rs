//! `tradewind openapi`

use super::{CliError, say};
use crate::http::openapi_text;

/// Print the document of the HTTP API (OpenAPI 3.1), as a shop serves it under /openapi.json.
#[derive(clap::Args)]
pub struct Print;

impl Print {
    pub fn run() -> Result<(), CliError> {
        say(openapi_text())
    }
}
