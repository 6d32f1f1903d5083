//! Files of settings. What is taken is shown as a file that gives the same settings; what is not names the setting or
//! the line, and no secret.

use tradewind::config::{Config, ConfigError, Layers, SETTINGS};

/// How messages name the file.
const PATH: &str = "shop.toml";

/// What stands for every secret that an input leaves out.
const SECRET: &str = "planted=nobody may read this";

pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match load(text) {
        Ok(config) => {
            let shown = config.to_string();
            let again =
                load(&shown).unwrap_or_else(|errors| panic!("what was shown is not taken: {errors:?}\n{shown}"));
            assert_eq!(settings(&again.to_string()), settings(&shown));
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            errors.iter().for_each(assert_says_what);
        }
    }
    assert_keeps_secrets(text);
}

/// Neither the settings nor what is wrong with them say a secret.
fn assert_keeps_secrets(text: &str) {
    if text.contains(SECRET) {
        return;
    }
    let left_out = SETTINGS.iter().filter(|setting| setting.secret && !text.contains(setting.name));
    let planted = left_out.flat_map(|setting| [setting.name, " = \"", SECRET, "\"\n"]);
    let with_secrets: String = planted.chain([text]).collect();
    let told = match load(&with_secrets) {
        Ok(config) => format!("{config}{config:?}"),
        Err(errors) => errors.iter().flat_map(|error| [error.to_string(), format!("{error:?}")]).collect(),
    };
    assert!(!told.contains(SECRET), "{told}");
}

fn load(text: &str) -> Result<Config, Vec<ConfigError>> {
    Config::load(&Layers::of_file(PATH, text)?)
}

/// Without remarks, among which are the origins of the settings.
fn settings(shown: &str) -> Vec<&str> {
    shown.lines().filter(|line| !line.starts_with('#')).collect()
}

fn assert_says_what(error: &ConfigError) {
    let said = error.to_string();
    let named = match error {
        ConfigError::Invalid { name, .. }
        | ConfigError::InvalidSecret { name, .. }
        | ConfigError::OutOfBounds { name, .. } => name,
        ConfigError::Unknown { .. } => "there is no setting",
        ConfigError::File { .. } => PATH,
    };
    assert!(said.contains(named), "{said}");
}

pub fn seeds() -> Vec<Vec<u8>> {
    let default = load("").expect("the defaults are good").to_string();
    let plain = default.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let all: String = plain.flat_map(|line| [line, "\n"]).collect();
    // Each setting alone, too: what a file has is seldom all of it.
    let each = all.lines().map(|line| line.as_bytes().to_vec());
    let other = [
        "category_tax_bp = { books = 700, food = 700 }\ntrusted_proxies = [\"10.0.0.1\", \"::1\"]\n",
        "provider_rules = { 61 = \"declined\", 62 = \"timeout_charged\" }\nbody_max = \"512KiB\"\n",
        "master_key = \"correct horse battery\"\nsmtp_password = \"horse\"\n",
        "reservation_ttl = \"1h 30m\"\norder_deadline = '2h'\nrate_burst = 1_000\n# a remark\n",
    ];
    each.chain([all.clone().into_bytes()]).chain(other.map(|text| text.as_bytes().to_vec())).collect()
}
