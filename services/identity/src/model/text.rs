//! What people type about themselves: addresses and names. Checked here, once.

use tradewind_engine::{Problem, Refusal};
use tradewind_events::{KeyText, Personal};

/// RFC 5321: what a mail server must take.
pub const EMAIL_BYTES_MAX: usize = 254;
pub const EMAIL_LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_LABEL_BYTES_MAX: usize = 63;
pub const USERNAME_CHARS_MAX: usize = 64;
pub const NAME_CHARS_MAX: usize = 100;
pub const AVATAR_URL_BYTES_MAX: usize = 2_048;

pub const EMAIL_INVALID: Refusal = Refusal::invalid("email_invalid", "This is not an e-mail address.");
pub const PROFILE_INVALID: Refusal = Refusal::invalid("profile_invalid", "A field of the profile cannot be kept.");

/// What to do with a field of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field {
    #[default]
    Keep,
    Clear,
    Set(Personal<String>),
}

/// The address as it was typed, without spaces around it. Plain ASCII: a domain in another script stands in its
/// `xn--` form. Nothing in it can end a mail header.
pub fn checked_email(typed: &Personal<String>) -> Result<Personal<String>, Problem> {
    let address = typed.expose().trim();
    let refuse = |what: &str| Err(EMAIL_INVALID.because(what).at("email"));
    if address.len() > EMAIL_BYTES_MAX {
        return refuse("The address is longer than 254 bytes.");
    }
    let Some((local, domain)) = address.rsplit_once('@') else { return refuse("The address has no @.") };
    let atoms_fit = local.len() <= EMAIL_LOCAL_BYTES_MAX
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte));
    if !atoms_fit {
        return refuse("What stands before the @ is not 1 to 64 letters, digits and usual signs.");
    }
    let labels_fit = domain.split('.').all(|label| {
        (1..=DOMAIN_LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    if labels_fit { Ok(Personal::new(address.to_owned())) } else { refuse("What stands after the @ is not a domain.") }
}

/// What two spellings of one address share: we take no two users whose addresses differ in case only. A text that is no
/// address has none.
pub fn address_key(typed: &Personal<String>) -> Result<Personal<KeyText>, Problem> {
    let address = checked_email(typed)?;
    let key = KeyText::new(address.expose().to_ascii_lowercase());
    key.map(Personal::new).map_err(|invalid| EMAIL_INVALID.because(invalid).at("email"))
}

pub(crate) fn checked_username(typed: &Personal<String>) -> Result<Personal<String>, Problem> {
    checked_name(typed, "username", USERNAME_CHARS_MAX)
}

pub(crate) fn checked_first_name(typed: &Personal<String>) -> Result<Personal<String>, Problem> {
    checked_name(typed, "first_name", NAME_CHARS_MAX)
}

pub(crate) fn checked_last_name(typed: &Personal<String>) -> Result<Personal<String>, Problem> {
    checked_name(typed, "last_name", NAME_CHARS_MAX)
}

/// A link for a browser. `javascript:` and its like are none.
pub(crate) fn checked_avatar_url(typed: &Personal<String>) -> Result<Personal<String>, Problem> {
    let url = typed.expose().trim();
    let web = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let fits = url.len() <= AVATAR_URL_BYTES_MAX
        && web.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()));
    if fits {
        Ok(Personal::new(url.to_owned()))
    } else {
        let what = format!("A picture is an http or https address of at most {AVATAR_URL_BYTES_MAX} bytes.");
        Err(PROFILE_INVALID.because(what).at("avatar_url"))
    }
}

fn checked_name(typed: &Personal<String>, field: &'static str, chars_max: usize) -> Result<Personal<String>, Problem> {
    let name = typed.expose().trim();
    if !name.is_empty() && name.chars().count() <= chars_max && !name.chars().any(char::is_control) {
        Ok(Personal::new(name.to_owned()))
    } else {
        let what = format!("{field} has 1 to {chars_max} characters and no control characters.");
        Err(PROFILE_INVALID.because(what).at(field))
    }
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn personal(text: &str) -> Personal<String> {
        Personal::new(text.to_owned())
    }

    #[test]
    fn an_address_is_kept_as_typed_and_compared_without_case() {
        let typed = checked_email(&personal(" Ada.L+shop@Example.org ")).unwrap();
        assert_eq!(typed.expose(), "Ada.L+shop@Example.org");
        assert_eq!(address_key(&typed).unwrap().expose().as_str(), "ada.l+shop@example.org");
        let longest = format!("{}@{}.org", "a".repeat(EMAIL_LOCAL_BYTES_MAX), "b".repeat(DOMAIN_LABEL_BYTES_MAX));
        for good in ["a@b", "o'neil@xn--bcher-kva.example", &longest] {
            assert!(checked_email(&personal(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_or_could_end_a_mail_header_is_refused() {
        let long_local = format!("{}@example.org", "a".repeat(EMAIL_LOCAL_BYTES_MAX + 1));
        let long_label = format!("a@{}", "b".repeat(DOMAIN_LABEL_BYTES_MAX + 1));
        let too_long = format!("a@{}org", "bbbbbbb.".repeat(32));
        let bad = [
            "",
            "ada",
            "@example.org",
            "ada@",
            "a b@example.org",
            "a\r\nBcc: b@example.org",
            "ada@exa mple.org",
            "ada@-example.org",
            "ada@example-.org",
            "ada@example..org",
            ".ada@example.org",
            "a..b@example.org",
            "a@b@c",
            "<a@b>",
            "zoë@example.org",
            "a@bücher.example",
            &long_local,
            &long_label,
            &too_long,
        ];
        for bad in bad {
            let problem = checked_email(&personal(bad)).unwrap_err();
            assert_eq!((problem.code(), problem.field.as_deref()), ("email_invalid", Some("email")), "{bad:?}");
        }
    }

    #[test]
    fn names_are_trimmed_bounded_and_free_of_control_characters() {
        assert_eq!(checked_first_name(&personal(" Zoë ")).unwrap().expose(), "Zoë");
        assert!(checked_username(&personal(&"é".repeat(USERNAME_CHARS_MAX))).is_ok());
        for bad in ["", "  ", "a\nb", &"é".repeat(USERNAME_CHARS_MAX + 1)] {
            assert_eq!(checked_username(&personal(bad)).unwrap_err().field.as_deref(), Some("username"), "{bad:?}");
        }
    }

    #[test]
    fn a_picture_is_a_web_address() {
        assert!(checked_avatar_url(&personal("https://media.example.org/ada.jpg")).is_ok());
        let too_long = format!("https://{}", "a".repeat(AVATAR_URL_BYTES_MAX));
        for bad in ["", "https://", "javascript:alert(1)", "ftp://example.org/a", "https://a b", &too_long] {
            assert_eq!(checked_avatar_url(&personal(bad)).unwrap_err().code(), "profile_invalid", "{bad:?}");
        }
    }
}
