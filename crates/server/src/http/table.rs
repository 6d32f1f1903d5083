//! Every route of the shop, on one page: method, path, who may, handler, what it is for. The router and the document of
//! the API are built from it, so there is no route beside it.
//!
//! Every write takes an Idempotency-Key unless it is `keyless`.

use super::{
    probes,
    route::{Route, Section, Who, delete, get, patch, post, put},
};
use crate::routes::{
    accounts, carts, categories, clients, locations, operations, orders, payments, peer, prices, products,
    provider_callbacks, sales, sessions, shipments, signing_keys, stock, timelines, users, variants,
};

use Who::{Admin, Anyone, Owner, Public, Service, Staff, User};

/// The whole table.
pub fn table() -> Vec<Section> {
    vec![
        Section::new("Users", "People and what they say about themselves.", users()).of("identity"),
        Section::new("Sessions", "Signing in and out; access tokens.", sessions()).of("identity"),
        Section::new("Service clients", "Programs that act in their own name.", service_clients()).of("identity"),
        Section::new("Signing keys", "The keys that sign access tokens.", keys()).of("identity"),
        Section::new("Products", "What is for sale, and what else there is of it.", products()).of("catalog"),
        Section::new("Variants", "What can be bought of a product, each under its SKU.", variants()).of("catalog"),
        Section::new("Prices", "What variants cost, now and later.", prices()).of("catalog"),
        Section::new("Categories", "The tree in which customers look.", categories()).of("catalog"),
        Section::new("Stock", "How much there is of what, and where.", stock()).of("inventory"),
        Section::new("Carts", "What customers are about to order. An anonymous cart belongs to whoever knows its id.", carts()).of("carts"),
        Section::new("Sales", "What was sold.", sales()).of("query"),
        Section::new("Orders", "Placing, following and stopping orders.", orders()).of("orders"),
        Section::new("Payments", "The money of orders.", payments()).of("payments"),
        Section::new("Accounts", "Prepaid accounts of customers.", accounts()).of("payments"),
        Section::new("Shipments", "What leaves, and that it has arrived.", shipments()).of("shipping"),
        Section::new("Operations", "What is stuck, parked, dead or owed, and the means to mend it.", operations()),
        Section::new("About", "The shop itself: health, figures, documents.", about()),
    ]
}

fn users() -> Vec<Route> {
    vec![
        post("/v1/users", Public, users::register, "Sign up. A mail asks to verify the address. A taken address is answered like a free one, and its owner gets a mail.").tries_secret(),
        get("/v1/users", Staff, users::list, "All users, by id, or the one with an address."),
        get("/v1/me", User, users::me, "Whoever asks."),
        get("/v1/users/{user_id}", Owner, users::read, "A user."),
        patch("/v1/users/{user_id}", Owner, users::change_profile, "Change the profile. Null clears a field."),
        put("/v1/users/{user_id}/email", Owner, users::change_email, "Change the address. It counts once the mail to it is answered; when staff does it, at once.").tries_secret(),
        put("/v1/users/{user_id}/password", Owner, users::change_password, "Change the password. Other sessions end.").tries_secret(),
        put("/v1/users/{user_id}/role", Admin, users::change_role, "Make a user customer, staff or admin. Their sessions end."),
        post("/v1/users/{user_id}/deletion", Owner, users::remove, "Leave. What is personal is erased.").tries_secret(),
        post("/v1/users/{user_id}/verification", Owner, users::request_verification, "Ask for another verification mail."),
        post("/v1/email-verifications", Public, users::verify_email, "Show the token of a mail that asks to confirm an address.").tries_secret(),
        post("/v1/password-resets", Public, users::request_reset, "Forgot the password: a mail follows, if the address is known.").tries_secret(),
        post("/v1/password-resets/confirmation", Public, users::confirm_reset, "Set a new password with the token of a reset mail.").tries_secret(),
        post("/v1/first-admin", Public, users::become_first_admin, "Sign up as admin, with the token that the first start has shown.").tries_secret(),
    ]
}

fn sessions() -> Vec<Route> {
    vec![
        post("/v1/sessions", Public, sessions::sign_in, "Sign in.").keyless().tries_secret(),
        post("/v1/sessions/refresh", Public, sessions::refresh, "Go on with a session.").keyless().tries_secret(),
        get("/v1/users/{user_id}/sessions", Owner, sessions::list, "Open sessions."),
        delete("/v1/users/{user_id}/sessions/{session_id}", Owner, sessions::sign_out, "Sign out. A session that is not there is signed out."),
        delete("/v1/users/{user_id}/sessions", Owner, sessions::sign_out_everywhere, "Sign out everywhere, but not here if so wished."),
        post("/v1/tokens", Public, clients::issue_token, "An access token for a service client.").keyless().tries_secret(),
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

fn products() -> Vec<Route> {
    vec![
        get("/v1/products", Anyone, products::list, "Products by words and by what they are; staff sees all of them.").of("query"),
        post("/v1/products", Staff, products::create, "Set a product up, as a draft."),
        get("/v1/products/{product_id}", Anyone, products::read, "A product with its variants.").of("query"),
        patch("/v1/products/{product_id}", Staff, products::update, "Change what is said of a product."),
        post("/v1/products/{product_id}/publication", Staff, products::publish, "Put a product up for sale."),
        delete("/v1/products/{product_id}/publication", Staff, products::unpublish, "Take a product off the shelf until it is published again."),
        post("/v1/products/{product_id}/archival", Staff, products::archive, "End a product for good."),
    ]
}

fn variants() -> Vec<Route> {
    vec![
        post("/v1/products/{product_id}/variants", Staff, variants::add, "Add a variant to a product."),
        get("/v1/variants/{sku}", Anyone, variants::read, "A variant by its SKU."),
        patch("/v1/variants/{sku}", Staff, variants::update, "Change what is said of a variant."),
        post("/v1/variants/{sku}/discontinuation", Staff, variants::discontinue, "End a variant for good."),
    ]
}

fn prices() -> Vec<Route> {
    vec![
        get("/v1/variants/{sku}/prices", Staff, prices::list, "The price of a variant, and those that wait for their moment."),
        post("/v1/variants/{sku}/prices", Staff, prices::set, "Set the price, from now on or from a later moment on."),
        delete("/v1/variants/{sku}/prices/{price_id}", Staff, prices::cancel, "Take a scheduled price back."),
    ]
}

fn categories() -> Vec<Route> {
    vec![
        get("/v1/categories", Public, categories::list, "All categories, by id.").of("query"),
        get("/v1/category-tree", Public, categories::tree, "All categories, each with what is below it.").of("query"),
        post("/v1/categories", Staff, categories::create, "Set a category up."),
        get("/v1/categories/{category_id}", Public, categories::read, "A category.").of("query"),
        patch("/v1/categories/{category_id}", Staff, categories::update, "Rename a category, or move it with all that is below it."),
        delete("/v1/categories/{category_id}", Staff, categories::delete, "Delete a category in which there is nothing."),
        get("/v1/categories/{category_id}/products", Anyone, categories::products, "The products of a category, by id; staff sees all of them.").of("query"),
    ]
}

fn stock() -> Vec<Route> {
    vec![
        get("/v1/stock/{sku}", Staff, stock::read, "How much there is of a SKU, at each of its locations."),
        post("/v1/stock/{sku}/adjustments", Staff, stock::adjust, "Say what came in or went, and why."),
        put("/v1/stock/{sku}/thresholds", Staff, stock::set_thresholds, "Say when it counts as low. A level that is left out has no threshold any more."),
        get("/v1/low-stock", Staff, stock::low, "What is low, the critical first.").of("query"),
        post("/v1/locations", Staff, locations::create, "Open a place that holds stock."),
        get("/v1/locations", Staff, locations::list, "All locations, by id."),
        get("/v1/locations/{location_id}", Staff, locations::read, "A location."),
        patch("/v1/locations/{location_id}", Staff, locations::update, "Change a location."),
    ]
}

fn carts() -> Vec<Route> {
    vec![
        post("/v1/carts", Anyone, carts::create, "Open a cart: yours, or an anonymous one. Without a token the Idempotency-Key counts for your address: make it as hard to guess as the cart."),
        get("/v1/users/{user_id}/carts", Owner, carts::list, "The open carts of a customer."),
        get("/v1/carts/{cart_id}", Anyone, carts::read, "A cart."),
        delete("/v1/carts/{cart_id}", Anyone, carts::remove, "Delete an open cart with what is in it."),
        post("/v1/carts/{cart_id}/lines", Anyone, carts::add_line, "Put so many more of a SKU into a cart."),
        put("/v1/carts/{cart_id}/lines/{sku}", Anyone, carts::set_quantity, "Say how many of a SKU there are in a cart."),
        delete("/v1/carts/{cart_id}/lines/{sku}", Anyone, carts::remove_line, "Take a SKU out of a cart."),
        post("/v1/carts/{cart_id}/merging", Owner, carts::merge, "Move what is in an anonymous cart into the customer's, which is answered."),
        post("/v1/carts/{cart_id}/checkout", Owner, carts::checkout, "Price a cart and sign what is in it, to be placed as an order."),
    ]
}

fn sales() -> Vec<Route> {
    vec![get("/v1/sales", Staff, sales::per_day, "What was sold on each of at most 366 days.")]
}

fn orders() -> Vec<Route> {
    vec![
        post("/v1/orders", Owner, orders::place, "Place an order. It is answered at once, or how it went."),
        get("/v1/orders", Owner, orders::list, "Your orders; all of them for staff. The newest first.").of("query"),
        get("/v1/orders/{order_id}", Owner, orders::read, "An order.").of("query"),
        get("/v1/orders/{order_id}/refunds", Owner, orders::refunds, "List the money of an order that went back.").of("query"),
        get("/v1/orders/{order_id}/events", Owner, timelines::read, "What happened to an order; with `Accept: text/event-stream`, as it happens.").of("query"),
        post("/v1/orders/{order_id}/cancellation", Owner, orders::cancel, "Stop an order, unless its goods have left."),
    ]
}

fn payments() -> Vec<Route> {
    vec![
        get("/v1/orders/{order_id}/payment", Owner, payments::read, "The payment of an order."),
        get("/v1/orders/{order_id}/payment/refunds", Owner, payments::refunds, "List the refunds of a payment, also those under way."),
        get("/v1/orders/{order_id}/payment/surpluses", Owner, payments::surpluses, "List the money that came for no reason."),
        post("/v1/orders/{order_id}/payment/authorization", Service, payments::authorize, "You hold the money of an order that is paid outside."),
        post("/v1/orders/{order_id}/payment/failure", Service, payments::fail, "Nobody will hold the money of an order that is paid outside."),
        post("/v1/orders/{order_id}/payment/capture", Staff, payments::capture, "Start a refused capture once more."),
        post("/v1/orders/{order_id}/payment/refunds", Staff, payments::refund, "Give back a part or all of what a completed order has cost."),
        post(provider_callbacks::PATH, Public, provider_callbacks::take, "Where a charge stands. The provider signs it.").keyless().body_max(provider_callbacks::BODY_BYTES_MAX),
    ]
}

fn accounts() -> Vec<Route> {
    vec![
        get("/v1/users/{user_id}/accounts", Owner, accounts::list, "The accounts of a customer, one a currency."),
        get("/v1/users/{user_id}/accounts/{currency}/entries", Owner, accounts::entries, "How its money came and went, the latest first."),
        post("/v1/users/{user_id}/accounts/{currency}/credits", Staff, accounts::credit, "Put money into an account."),
    ]
}

fn shipments() -> Vec<Route> {
    vec![
        get("/v1/shipments", Staff, shipments::list, "Shipments in a state: what can leave, unless asked otherwise."),
        get("/v1/orders/{order_id}/shipment", Staff, shipments::read, "The shipment of an order, and where it goes."),
        post("/v1/orders/{order_id}/shipment/dispatch", Staff, shipments::dispatch, "The goods leave."),
        post("/v1/orders/{order_id}/shipment/delivery", Staff, shipments::deliver, "The goods have arrived."),
    ]
}

fn operations() -> Vec<Route> {
    use operations::{consumers, dead_letters, jobs, owed, parked, sagas, status, timers, trail};
    vec![
        get("/v1/operations", Staff, status::read, "How the engine is doing."),
        post("/v1/operations/clock/confirmation", Staff, status::confirm_clock, "Release deadlines that a jump of the clock or a backlog holds."),
        post("/v1/operations/refused-events/{event_id}/set-aside", Staff, status::set_aside, "Set aside an event that the broker refuses, as a dead letter of the relay."),
        get("/v1/operations/sagas", Staff, sagas::list, "Orders that wait for a step, and who owes it.").of("orders"),
        get("/v1/operations/owed/holds", Staff, owed::list_holds, "Holds that could not be let go.").of("payments"),
        get("/v1/operations/owed/refunds", Staff, owed::list_refunds, "Refunds that were refused.").of("payments"),
        get("/v1/operations/owed/surplus", Staff, owed::list_surplus, "Money that came for no reason and could not be returned.").of("payments"),
        get("/v1/operations/owed/payables", Staff, owed::list_payables, "List what is owed to deleted customers.").of("payments"),
        post("/v1/operations/owed/payables/{customer_id}/settlement", Staff, owed::settle_payable, "Record that a deleted customer was paid by other means.").of("payments"),
        post("/v1/operations/owed/{order_id}/retry", Staff, owed::retry, "Ask the provider once more.").of("payments"),
        post("/v1/operations/owed/{order_id}/settlement", Staff, owed::settle, "The money went back by other means.").of("payments"),
        get("/v1/operations/jobs", Staff, jobs::list, "Calls of the provider and mails that are not done."),
        post("/v1/operations/jobs/{job_id}/retry", Staff, jobs::retry, "Give a job new attempts, under its key."),
        post("/v1/operations/jobs/{job_id}/settlement", Staff, jobs::settle, "Say how a job ended."),
        get("/v1/operations/dead-letters", Staff, dead_letters::list, "Messages that could not be handled."),
        get("/v1/operations/dead-letters/{dead_letter_id}", Staff, dead_letters::read, "One of them, with its message. What is personal is masked."),
        post("/v1/operations/dead-letters/{dead_letter_id}/disclosure", Staff, dead_letters::disclose, "Show its message with what is personal. The reason goes into the audit trail."),
        post("/v1/operations/dead-letters/{dead_letter_id}/redrive", Staff, dead_letters::redrive, "Send it again to the consumer that failed."),
        post("/v1/operations/dead-letters/{dead_letter_id}/edit", Staff, dead_letters::edit_and_redrive, "Send it again with other content; the original is kept."),
        post("/v1/operations/dead-letters/{dead_letter_id}/discard", Staff, dead_letters::discard, "Decide that it needs no effect."),
        get("/v1/operations/parked", Staff, parked::list, "Messages that wait."),
        post("/v1/operations/parked/{parked_id}/retry", Staff, parked::retry, "Try one now."),
        get("/v1/operations/timers", Staff, timers::list, "Deadlines that are armed."),
        get("/v1/operations/consumers", Staff, consumers::list, "The services as hearers of events."),
        post("/v1/operations/consumers/{consumer}/pause", Staff, consumers::pause, "Park what a service would hear."),
        post("/v1/operations/consumers/{consumer}/resume", Staff, consumers::resume, "Let it go on, from what is parked."),
        post("/v1/operations/consumers/{consumer}/skip-gaps", Staff, consumers::skip_gaps, "Let a subscription go on behind events that its broker no longer has."),
        get("/v1/operations/audit", Staff, trail::list, "What staff, admins, service clients and the command line changed, and why."),
    ]
}

/// What the port for probes serves; the table has it, too.
pub fn probe_table() -> Vec<Section> {
    vec![Section::new("Probes", "How the shop is.", state())]
}

fn state() -> Vec<Route> {
    vec![
        get("/healthz", Public, probes::healthy, "Whether the process runs."),
        get("/readyz", Public, probes::ready, "Whether the shop does its work, and which services are paused."),
        get("/metrics", Public, probes::metrics, "Figures for Prometheus."),
    ]
}

fn about() -> Vec<Route> {
    let mut routes = state();
    routes.extend([
        get("/v1/peer", Public, peer::read, "Compare settings with another process of a split shop. Only processes of the shop can read the answer.").tries_secret(),
        get("/.well-known/jwks.json", Public, probes::jwks, "The public keys that check access tokens."),
        get("/openapi.json", Public, probes::openapi, "This document."),
        get("/", Public, probes::home, "The way to the reference page, for people."),
        get("/docs", Public, probes::docs, "This document, for people."),
        get("/docs/problems/{code}", Public, probes::problem_page, "What a problem code means."),
    ]);
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services;

    #[test]
    fn every_route_of_the_shop_belongs_to_one_service_except_what_each_process_answers_for_itself() {
        for section in table() {
            for route in section.routes {
                let own = section.name == "About" || section.name == "Operations";
                match route.service {
                    Some(service) => assert!(services::NAMES.contains(&service), "{}: {service}", route.path),
                    None => assert!(own, "{} {} belongs to no service", route.method, route.path),
                }
            }
        }
    }
}
