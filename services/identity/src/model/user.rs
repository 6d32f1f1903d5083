//! Users: who they are, what they may do, and how they leave.

use std::sync::Arc;

use tradewind_engine::{Entity, Problem, Refusal};
use tradewind_events::{
    Change, FreeJson, Id, KeyText, Personal, TextEnum, Timestamp,
    identity::{UserDeleted, UserEmailChanged, UserEmailVerified, UserProfileUpdated, UserRegistered},
};

use super::{
    Field, Identity, address_key,
    text::{checked_avatar_url, checked_email, checked_first_name, checked_last_name, checked_username},
};

pub const USER_UNKNOWN: Refusal = Refusal::not_found("user_unknown", "There is no such user.");
pub const EMAIL_TAKEN: Refusal = Refusal::conflict("email_taken", "Somebody is registered under this address.");
pub const EMAIL_ALREADY_VERIFIED: Refusal =
    Refusal::conflict("email_already_verified", "The address is verified: there is nothing to send.");
pub const ROLE_INVALID: Refusal = Refusal::invalid("role_invalid", "A user cannot have this role.");

/// A person. A deleted one keeps the row, for what others have noted under the id, but nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "user", key = user_id)]
pub struct User {
    user_id: Id,
    #[column(copy)]
    state: UserState,
    #[column(copy)]
    role: Role,
    /// As it was typed; none once the user is deleted.
    email: Option<Personal<String>>,
    email_verified: bool,
    username: Option<Personal<String>>,
    first_name: Option<Personal<String>>,
    last_name: Option<Personal<String>>,
    avatar_url: Option<Personal<String>>,
    registered_at: Timestamp,
    deleted_at: Option<Timestamp>,
}

/// Who has an address: no two users share one.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "email_address", key = address)]
pub struct EmailAddress {
    /// In lower case.
    address: Personal<KeyText>,
    user_id: Id,
}

impl EmailAddress {
    pub fn of(address: Personal<KeyText>, user_id: &Id) -> Self {
        Self { address, user_id: user_id.clone() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum UserState {
    #[text("active")]
    Active,
    #[text("deleted")]
    Deleted,
}

/// What a principal may do. Staff may what customers may, admins what staff may; `service` is for clients only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
pub enum Role {
    #[text("customer")]
    Customer,
    #[text("staff")]
    Staff,
    #[text("admin")]
    Admin,
    #[text("service")]
    Service,
}

/// How a person wants to be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    pub username: Option<Personal<String>>,
    pub first_name: Option<Personal<String>>,
    pub last_name: Option<Personal<String>>,
}

/// What to change of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileChange {
    pub username: Field,
    pub first_name: Field,
    pub last_name: Field,
    pub avatar_url: Field,
}

/// Somebody who signs up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    pub user_id: Id,
    pub email: Personal<String>,
    pub names: Names,
    pub role: Role,
    pub registered_at: Timestamp,
}

impl User {
    pub fn register(new: NewUser) -> Result<(Self, UserRegistered), Problem> {
        let check = |name: &Option<_>, check: fn(&_) -> _| name.as_ref().map(check).transpose();
        let user = Self {
            user_id: new.user_id,
            state: UserState::Active,
            role: new.role,
            email: Some(checked_email(&new.email)?),
            email_verified: false,
            username: check(&new.names.username, checked_username)?,
            first_name: check(&new.names.first_name, checked_first_name)?,
            last_name: check(&new.names.last_name, checked_last_name)?,
            avatar_url: None,
            registered_at: new.registered_at,
            deleted_at: None,
        };
        let registered = UserRegistered {
            user_id: user.user_id.clone(),
            email: user.address(),
            username: user.username.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email_verified: user.email_verified,
        };
        Ok((user, registered))
    }

    pub fn is_active(&self) -> bool {
        self.state == UserState::Active
    }

    /// The address; empty once the user is deleted.
    pub fn address(&self) -> Personal<String> {
        self.email.clone().unwrap_or_default()
    }

    /// The user has shown to read this address. `None` when that changes nothing.
    pub fn verify(&mut self, address: &Personal<String>) -> Option<UserEmailVerified> {
        let theirs = self.email.as_ref().is_some_and(|email| is_same_address(email, address));
        if self.email_verified || !theirs {
            return None;
        }
        self.email_verified = true;
        Some(UserEmailVerified { user_id: self.user_id.clone(), email: self.address() })
    }

    /// Another address, which is not verified unless only its spelling changed. `None` when it is the same.
    pub fn change_email(&mut self, typed: &Personal<String>) -> Result<Option<UserEmailChanged>, Problem> {
        let email = checked_email(typed)?;
        let previous = self.address();
        if email == previous {
            return Ok(None);
        }
        self.email_verified &= is_same_address(&email, &previous);
        self.email = Some(email.clone());
        Ok(Some(UserEmailChanged { user_id: self.user_id.clone(), email, previous_email: previous }))
    }

    /// `None` when nothing is different afterwards.
    pub fn change_profile(&mut self, change: &ProfileChange) -> Result<Option<UserProfileUpdated>, Problem> {
        let fields: [Checked<'_>; 4] = [
            ("username", &mut self.username, &change.username, checked_username),
            ("first_name", &mut self.first_name, &change.first_name, checked_first_name),
            ("last_name", &mut self.last_name, &change.last_name, checked_last_name),
            ("avatar_url", &mut self.avatar_url, &change.avatar_url, checked_avatar_url),
        ];
        let mut changes = Vec::new();
        for (field, value, wanted, check) in fields {
            let wanted = match wanted {
                Field::Keep => continue,
                Field::Clear => None,
                Field::Set(typed) => Some(check(typed)?),
            };
            if *value != wanted {
                let plain = |value: &Option<Personal<String>>| {
                    value.as_ref().map(|text| FreeJson::from(&**text.expose())).unwrap_or_default()
                };
                changes.push(Change { field: field.into(), old_value: plain(value), new_value: plain(&wanted) });
                *value = wanted;
            }
        }
        Ok((!changes.is_empty()).then(|| self.updated(changes)))
    }

    /// `None` when it is the user's role already.
    pub fn change_role(&mut self, role: Role) -> Result<Option<UserProfileUpdated>, Problem> {
        if role == Role::Service {
            let what = "The role service is for service clients, which are made on their own.";
            return Err(ROLE_INVALID.because(what).at("role"));
        }
        if role == self.role {
            return Ok(None);
        }
        let before = std::mem::replace(&mut self.role, role);
        let change =
            Change { field: "role".into(), old_value: before.as_str().into(), new_value: role.as_str().into() };
        Ok(Some(self.updated(vec![change])))
    }

    /// Erases what is personal. `None` when that was done before.
    pub fn delete(&mut self, now: Timestamp) -> Option<UserDeleted> {
        let email = self.email.take()?;
        self.state = UserState::Deleted;
        self.role = Role::Customer;
        self.email_verified = false;
        self.username = None;
        self.first_name = None;
        self.last_name = None;
        self.avatar_url = None;
        self.deleted_at = Some(now);
        Some(UserDeleted { user_id: self.user_id.clone(), email })
    }

    fn updated(&self, changes: Vec<Change>) -> UserProfileUpdated {
        UserProfileUpdated {
            user_id: self.user_id.clone(),
            username: self.username.clone(),
            email: self.address(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            avatar_url: self.avatar_url.clone(),
            changes: Personal::new(Arc::from(changes)),
        }
    }
}

/// Two spellings of one address.
fn is_same_address(one: &Personal<String>, other: &Personal<String>) -> bool {
    address_key(one).is_ok_and(|one| address_key(other) == Ok(one))
}

/// A field of a profile: its name, its value, what is wanted of it, and what checks that.
type Checked<'a> = (
    &'static str,
    &'a mut Option<Personal<String>>,
    &'a Field,
    fn(&Personal<String>) -> Result<Personal<String>, Problem>,
);

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;

    fn personal(text: &str) -> Personal<String> {
        Personal::new(text.to_owned())
    }

    fn user() -> User {
        let new = NewUser {
            user_id: id("user-1"),
            email: personal("ada@example.org"),
            names: Names { first_name: Some(personal("Ada")), ..Names::default() },
            role: Role::Customer,
            registered_at: Timestamp::from_millis(0),
        };
        User::register(new).unwrap().0
    }

    #[test]
    fn a_profile_tells_what_changed_and_nothing_when_nothing_did() {
        let mut user = user();
        let change = ProfileChange {
            first_name: Field::Clear,
            last_name: Field::Set(personal(" King ")),
            username: Field::Clear,
            ..ProfileChange::default()
        };
        let updated = user.change_profile(&change).unwrap().unwrap();
        let changes: Vec<_> = updated.changes.expose().iter().map(|change| &*change.field).collect();
        assert_eq!(changes, ["first_name", "last_name"]);
        assert_eq!(updated.changes.expose()[1].new_value, "King".into());
        assert_eq!(user.change_profile(&change).unwrap(), None);
        assert_eq!(user.change_profile(&ProfileChange::default()).unwrap(), None);
    }

    #[test]
    fn another_address_is_not_verified_but_another_spelling_is() {
        let mut user = user();
        assert!(user.verify(&personal("ada@example.org")).is_some());
        assert_eq!(user.verify(&personal("ada@example.org")), None);
        user.change_email(&personal("Ada@example.org")).unwrap().unwrap();
        assert!(user.email_verified);
        let changed = user.change_email(&personal("king@example.org")).unwrap().unwrap();
        assert_eq!(changed.previous_email, personal("Ada@example.org"));
        assert!(!user.email_verified);
        assert_eq!(user.verify(&personal("ada@example.org")), None, "an address that is no longer theirs");
        assert_eq!(user.change_email(&personal("king@example.org")).unwrap(), None);
    }

    #[test]
    fn a_deleted_user_has_nothing_personal_left() {
        let mut user = user();
        let now = Timestamp::from_millis(5);
        assert_eq!(user.delete(now).unwrap().email, personal("ada@example.org"));
        let nobody = User {
            user_id: id("user-1"),
            state: UserState::Deleted,
            role: Role::Customer,
            email: None,
            email_verified: false,
            username: None,
            first_name: None,
            last_name: None,
            avatar_url: None,
            registered_at: Timestamp::from_millis(0),
            deleted_at: Some(now),
        };
        assert_eq!(user, nobody);
        assert_eq!(user.delete(now), None);
    }

    #[test]
    fn a_user_cannot_be_a_service() {
        let mut user = user();
        assert_eq!(user.change_role(Role::Service).unwrap_err().code(), "role_invalid");
        assert_eq!(user.change_role(Role::Customer).unwrap(), None);
        assert!(user.change_role(Role::Staff).unwrap().is_some());
    }
}
