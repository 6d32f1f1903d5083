//! A line of the table of routes: what it is for, who may, what it takes beside its arguments.

use axum::{
    http::Method,
    routing::{MethodFilter, MethodRouter, on},
};

use super::describe::{Describer, Operation};
use crate::{config::Size, shop::Shop};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody. An access token is not even looked at.
    Public,
    /// Everybody, signed in or not.
    Anyone,
    /// Every user: customers, staff, admins.
    User,
    /// The user to whom it belongs; staff; a service client. Where the path has no `{user_id}` the handler finds out
    /// to whom it belongs and says so with [`super::Call::owned_by`]; an answer without that is a defect.
    Owner,
    /// A service client, or staff in its place.
    Service,
    /// Staff and admins.
    Staff,
    Admin,
}

/// One route.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub who: Who,
    /// The service whose rows it reads or writes. At most one, so that a split shop can send each request to one
    /// process; `None` where every process answers for itself.
    pub service: Option<&'static str>,
    pub summary: &'static str,
    /// The handler's name: `users.register`.
    pub name: String,
    /// A write that asks for an Idempotency-Key.
    pub keyed: bool,
    /// It tries a secret, so it has a rate of its own.
    pub tries_secret: bool,
    /// Instead of the limit for all.
    pub body_max: Option<Size>,
    pub(super) handler: MethodRouter<Shop>,
    pub(super) describe: fn(&mut Describer),
}

/// Routes that belong together.
pub struct Section {
    pub name: &'static str,
    pub about: &'static str,
    pub routes: Vec<Route>,
}

impl Section {
    pub fn new(name: &'static str, about: &'static str, routes: impl Into<Vec<Route>>) -> Self {
        Self { name, about, routes: routes.into() }
    }

    /// The service that they need, where a route says no other.
    #[must_use]
    pub fn of(mut self, service: &'static str) -> Self {
        for route in &mut self.routes {
            route.service = route.service.or(Some(service));
        }
        self
    }
}

impl Route {
    fn new<T: 'static, H: Operation<T>>(method: Method, path: &'static str, who: Who, handler: H) -> Self {
        let filter = MethodFilter::try_from(method.clone()).expect("every method of the table has a filter");
        let keyed = method != Method::GET;
        Self {
            method,
            path,
            who,
            service: None,
            summary: "",
            name: name_of::<H>(),
            keyed,
            tries_secret: false,
            body_max: None,
            handler: on(filter, handler),
            describe: H::describe,
        }
    }

    /// A write that needs no Idempotency-Key: what it does twice is harmless, or must not be kept.
    #[must_use]
    pub fn keyless(mut self) -> Self {
        self.keyed = false;
        self
    }

    /// It tries a secret: an address has few tries.
    #[must_use]
    pub fn tries_secret(mut self) -> Self {
        self.tries_secret = true;
        self
    }

    #[must_use]
    pub fn body_max(mut self, bytes: u64) -> Self {
        self.body_max = Some(Size(bytes));
        self
    }

    /// It needs this service, and not the one of its section.
    #[must_use]
    pub fn of(mut self, service: &'static str) -> Self {
        self.service = Some(service);
        self
    }

    /// A write of it by somebody who is no customer leaves a row in the audit trail.
    pub fn is_audited(&self) -> bool {
        self.method != Method::GET && self.who != Who::Public
    }

    fn about(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }
}

/// The last two parts of the handler's path.
fn name_of<H>() -> String {
    let mut parts = std::any::type_name::<H>().rsplit("::");
    let (verb, noun) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{noun}.{verb}")
}

macro_rules! methods {
    ($($name:ident = $method:ident;)*) => {$(
        pub fn $name<T: 'static, H: Operation<T>>(path: &'static str, who: Who, handler: H, summary: &'static str) -> Route {
            Route::new(Method::$method, path, who, handler).about(summary)
        }
    )*};
}

methods! {
    get = GET;
    post = POST;
    put = PUT;
    patch = PATCH;
    delete = DELETE;
}
