//! Every route of the shop, on one page: method, path, who may, handler, what it is for. The router and the document of
//! the API are built from it, so there is no route beside it.
//!
//! Every write takes an Idempotency-Key unless it is `keyless`.

use super::{
    probes,
    route::{Route, Section, Who, delete, get, patch, post, put},
};
use crate::routes::{clients, operations, sessions, signing_keys, users};

use Who::{Admin, Owner, Public, Staff, User};

/// The whole table.
pub fn table() -> Vec<Section> {
    vec![
        Section::new("Users", "People and what they say about themselves.", users()),
        Section::new("Sessions", "Signing in and out; access tokens.", sessions()),
        Section::new("Service clients", "Programs that act in their own name.", service_clients()),
        Section::new("Signing keys", "The keys that sign access tokens.", keys()),
        Section::new("Operations", "What is stuck, parked, dead or owed, and the means to mend it.", operations()),
        Section::new("About", "The shop itself: health, figures, documents.", about()),
    ]
}

fn users() -> Vec<Route> {
    vec![
        post("/v1/users", Public, users::register, "Sign up. A mail asks to verify the address.").tries_secret(),
        get("/v1/users", Staff, users::list, "All users, by id."),
        get("/v1/me", User, users::me, "Whoever asks."),
        get("/v1/users/{user_id}", Owner, users::read, "A user."),
        patch("/v1/users/{user_id}", Owner, users::change_profile, "Change the profile. Null clears a field."),
        put("/v1/users/{user_id}/email", Owner, users::change_email, "Change the address. It is to be verified again."),
        put("/v1/users/{user_id}/password", Owner, users::change_password, "Change the password. Other sessions end."),
        put("/v1/users/{user_id}/role", Admin, users::change_role, "Make a user customer, staff or admin."),
        post("/v1/users/{user_id}/deletion", Owner, users::remove, "Leave. What is personal is erased."),
        post(
            "/v1/users/{user_id}/verification",
            Owner,
            users::request_verification,
            "Ask for another verification mail.",
        ),
        post("/v1/email-verifications", Public, users::verify_email, "Show the token of a verification mail.")
            .tries_secret(),
        post(
            "/v1/password-resets",
            Public,
            users::request_reset,
            "Forgot the password: a mail follows, if the address is known.",
        )
        .tries_secret(),
        post(
            "/v1/password-resets/confirmation",
            Public,
            users::confirm_reset,
            "Set a new password with the token of a reset mail.",
        )
        .tries_secret(),
        post(
            "/v1/first-admin",
            Public,
            users::become_first_admin,
            "Sign up as admin, with the token that the first start has shown.",
        )
        .tries_secret(),
    ]
}

fn sessions() -> Vec<Route> {
    vec![
        post("/v1/sessions", Public, sessions::sign_in, "Sign in.").keyless().tries_secret(),
        post("/v1/sessions/refresh", Public, sessions::refresh, "Go on with a session.").keyless().tries_secret(),
        get("/v1/users/{user_id}/sessions", Owner, sessions::list, "Open sessions."),
        delete(
            "/v1/users/{user_id}/sessions/{session_id}",
            Owner,
            sessions::sign_out,
            "Sign out. A session that is not there is signed out.",
        ),
        delete(
            "/v1/users/{user_id}/sessions",
            Owner,
            sessions::sign_out_everywhere,
            "Sign out everywhere, but not here if so wished.",
        ),
        post("/v1/tokens", Public, clients::issue_token, "An access token for a service client.")
            .keyless()
            .tries_secret(),
    ]
}

fn service_clients() -> Vec<Route> {
    vec![
        post("/v1/clients", Admin, clients::create, "Make a service client. Its secret is shown in this answer alone."),
        get("/v1/clients", Admin, clients::list, "All service clients."),
        delete("/v1/clients/{client_id}", Admin, clients::revoke, "Take a client's secret its force."),
    ]
}

fn keys() -> Vec<Route> {
    vec![
        get("/v1/signing-keys", Admin, signing_keys::list, "All signing keys, the retired ones too."),
        post("/v1/signing-keys", Admin, signing_keys::rotate, "Let a new key sign from now on."),
        delete("/v1/signing-keys/{kid}", Admin, signing_keys::retire, "Trust a key no more, at once."),
    ]
}

fn operations() -> Vec<Route> {
    use operations::{consumers, dead_letters, jobs, owed, parked, sagas, status, timers, trail};
    vec![
        get("/v1/operations", Staff, status::read, "How the engine is doing."),
        post(
            "/v1/operations/clock/confirmation",
            Staff,
            status::confirm_clock,
            "Let deadlines go that a jump of the clock has held.",
        ),
        get("/v1/operations/sagas", Staff, sagas::list, "Orders that wait for a step, and who owes it."),
        get("/v1/operations/owed/holds", Staff, owed::list_holds, "Holds that could not be let go."),
        get("/v1/operations/owed/refunds", Staff, owed::list_refunds, "Refunds that were refused."),
        get(
            "/v1/operations/owed/surplus",
            Staff,
            owed::list_surplus,
            "Money that came for no reason and could not be returned.",
        ),
        post("/v1/operations/owed/{order_id}/retry", Staff, owed::retry, "Ask the provider once more."),
        post("/v1/operations/owed/{order_id}/settlement", Staff, owed::settle, "The money went back by other means."),
        get("/v1/operations/jobs", Staff, jobs::list, "Calls of the provider and mails that are not done."),
        post("/v1/operations/jobs/{job_id}/retry", Staff, jobs::retry, "Give a job new attempts, under its key."),
        post("/v1/operations/jobs/{job_id}/settlement", Staff, jobs::settle, "Say how a job ended."),
        get("/v1/operations/dead-letters", Staff, dead_letters::list, "Messages that could not be handled."),
        get(
            "/v1/operations/dead-letters/{dead_letter_id}",
            Staff,
            dead_letters::read,
            "One of them, with its message.",
        ),
        post(
            "/v1/operations/dead-letters/{dead_letter_id}/redrive",
            Staff,
            dead_letters::redrive,
            "Send it again to the consumer that failed.",
        ),
        post(
            "/v1/operations/dead-letters/{dead_letter_id}/edit",
            Staff,
            dead_letters::edit_and_redrive,
            "Send it again with other content; the original is kept.",
        ),
        post(
            "/v1/operations/dead-letters/{dead_letter_id}/discard",
            Staff,
            dead_letters::discard,
            "Decide that it needs no effect.",
        ),
        get("/v1/operations/parked", Staff, parked::list, "Messages that wait."),
        post("/v1/operations/parked/{parked_id}/retry", Staff, parked::retry, "Try one now."),
        get("/v1/operations/timers", Staff, timers::list, "Deadlines that are armed."),
        get("/v1/operations/consumers", Staff, consumers::list, "The services as hearers of events."),
        post("/v1/operations/consumers/{consumer}/pause", Staff, consumers::pause, "Park what a service would hear."),
        post(
            "/v1/operations/consumers/{consumer}/resume",
            Staff,
            consumers::resume,
            "Let it go on, from what is parked.",
        ),
        get("/v1/operations/audit", Staff, trail::list, "What operators did, and why."),
    ]
}

fn about() -> Vec<Route> {
    vec![
        get("/healthz", Public, probes::healthy, "Whether the process runs."),
        get("/readyz", Public, probes::ready, "Whether the shop can do all of its work."),
        get("/metrics", Public, probes::metrics, "Figures for Prometheus."),
        get("/.well-known/jwks.json", Public, probes::jwks, "The public keys that check access tokens."),
        get("/openapi.json", Public, probes::openapi, "This document."),
        get("/docs", Public, probes::docs, "This document, for people."),
        get("/docs/problems/{code}", Public, probes::problem_page, "What a problem code means."),
    ]
}
