//! Whether what one service keeps of another's facts is what the other one has: in whatever order and however often
//! they were heard.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_carts::{Cart, CartState, KnownProduct, KnownSku};
use tradewind_catalog::{Availability, LocationAvailability, Product, Variant};
use tradewind_events::{Id, ProductStatus, VariantStatus};
use tradewind_identity::model::{User, UserState};
use tradewind_inventory::{ArchivedProduct, Stock, StockItem};
use tradewind_notifications::model::{Contact, ContactState};
use tradewind_orders::{Order, OrderState};
use tradewind_payments::{Account, model::AccountState};
use tradewind_query::{ProductView, StockView};

use crate::world::World;

/// What differs, as a subject with a sentence.
type Differences = Vec<(String, String)>;

impl World {
    /// Compares all that is kept twice.
    pub fn judge_copies(&mut self) {
        let mut differences = Differences::new();
        self.compare_goods(&mut differences);
        self.compare_stock(&mut differences);
        self.compare_people(&mut differences);
        self.compare_carts(&mut differences);
        for (subject, detail) in differences {
            self.violate(subject, detail);
        }
    }

    /// What is for sale and at which price, as catalog has it, as carts and the read models show it.
    fn compare_goods(&self, differences: &mut Differences) {
        let (catalog, carts) = (&self.nodes[self.host("catalog")], &self.nodes[self.host("carts")]);
        let inventory = &self.nodes[self.host("inventory")];
        let (query, now) = (&self.nodes[self.host("query")], self.latest_engine_time());
        for product in catalog.rows::<Product>() {
            let (key, status) = (product.product_id().into(), product.status());
            let known = carts.row::<KnownProduct>(&key).map(|known| known.status());
            let shown = query.row::<ProductView>(&key);
            if known != Some(status) || shown.as_ref().and_then(|shown| shown.status) != Some(status) {
                let shown = shown.as_ref().map(|shown| shown.status);
                let detail = format!("is {status}, carts know it as {known:?}, and it is shown as {shown:?}");
                differences.push((format!("product {}", product.product_id()), detail));
            }
            if shown.is_none_or(|shown| (shown.name, shown.brand) != (product.name().clone(), product.brand().cloned()))
            {
                differences.push((format!("product {}", product.product_id()), "is shown by another name".to_owned()));
            }
            let closed = inventory.row::<ArchivedProduct>(&key).is_some();
            if closed != (status == ProductStatus::Archived) {
                let detail = format!("is {status}, and closed in inventory: {closed}");
                differences.push((format!("product {}", product.product_id()), detail));
            }
        }
        for variant in catalog.rows::<Variant>() {
            let gone = variant.status() == VariantStatus::Discontinued;
            let known = carts.row::<KnownSku>(&variant.sku().into());
            let known = known.map(|known| (known.amount_at(now), known.discontinued()));
            if known != Some((Some(variant.amount_minor()), gone)) {
                let detail = format!("costs {}, gone: {gone}; carts know {known:?}", variant.amount_minor());
                differences.push((format!("variant {}", variant.sku()), detail));
            }
            let closed = inventory.row::<StockItem>(&variant.sku().into()).map(|item| item.discontinued());
            if closed != Some(gone) {
                differences
                    .push((format!("variant {}", variant.sku()), format!("gone: {gone}, in inventory: {closed:?}")));
            }
        }
    }

    /// How much there is, as inventory has it, as catalog and the read models show it.
    fn compare_stock(&self, differences: &mut Differences) {
        let stocks = self.nodes[self.host("inventory")].rows::<Stock>();
        let query = &self.nodes[self.host("query")];
        let views: BTreeMap<(Id, Id), StockView> = query
            .rows::<StockView>()
            .into_iter()
            .map(|view| ((view.sku.clone(), view.location_id.clone()), view))
            .collect();
        let catalog = &self.nodes[self.host("catalog")];
        let turned: BTreeMap<(Id, Id), bool> = catalog
            .rows::<LocationAvailability>()
            .into_iter()
            .map(|row| ((row.sku().clone(), row.location_id().clone()), row.available()))
            .collect();
        let mut available: BTreeMap<Id, i64> = BTreeMap::new();
        for stock in &stocks {
            let (place, subject) = (
                (stock.sku().clone(), stock.location_id().clone()),
                format!("stock {} at {}", stock.sku(), stock.location_id()),
            );
            let has = (stock.on_hand(), stock.reserved(), stock.changes());
            let shown = views.get(&place).map(|view| (view.on_hand, view.reserved, view.stock_version));
            if shown != Some(has) {
                differences.push((subject.clone(), format!("is {has:?}, and shown as {shown:?}")));
            }
            *available.entry(stock.sku().clone()).or_default() += stock.available();
            // What was never there has not run out.
            if let Some(known) = turned.get(&place).filter(|known| **known != (stock.available() > 0)) {
                let detail = format!("has {} available, and catalog thinks so: {known}", stock.available());
                differences.push((subject, detail));
            }
        }
        for row in catalog.rows::<Availability>() {
            let left = available.get(row.sku()).copied().unwrap_or(0);
            if row.out_of_stock() != (left == 0) {
                let detail = format!("has {left} available everywhere, and is out of stock: {}", row.out_of_stock());
                differences.push((format!("variant {}", row.sku()), detail));
            }
        }
        for item in self.nodes[self.host("inventory")].rows::<StockItem>() {
            let sum = available.get(item.sku()).copied().unwrap_or(0);
            if item.available() != sum {
                let detail = format!("counts {} available, and its locations have {sum}", item.available());
                differences.push((format!("stock {}", item.sku()), detail));
            }
        }
    }

    /// Who there is, and where they are reached; who has left has no account.
    fn compare_people(&self, differences: &mut Differences) {
        let notifications = &self.nodes[self.host("notifications")];
        let accounts = self.nodes[self.host("payments")].rows::<Account>();
        for user in self.nodes[self.host("identity")].rows::<User>() {
            let contact = notifications.row::<Contact>(&user.user_id().into());
            let subject = format!("user {}", user.user_id());
            let own = accounts.iter().filter(|account| account.customer_id() == user.user_id());
            if user.state() == UserState::Active {
                if contact.is_none_or(|contact| contact.email() != user.email()) {
                    differences.push((subject.clone(), "would be told elsewhere".to_owned()));
                }
                if own.clone().count() != 1 || own.clone().any(|account| account.state() != AccountState::Open) {
                    differences.push((subject, "has no open account".to_owned()));
                }
                continue;
            }
            if contact.is_none_or(|contact| contact.state() != ContactState::Erased || contact.email().is_some()) {
                differences.push((subject.clone(), "has left, and can still be told".to_owned()));
            }
            for account in own.filter(|account| account.state() != AccountState::Closed || account.balance_minor() != 0)
            {
                let detail =
                    format!("has left, and an account is {} with {}", account.state(), account.balance_minor());
                differences.push((subject.clone(), detail));
            }
        }
    }

    /// A cart is closed as long as an order from it stands, and open again when none does.
    fn compare_carts(&self, differences: &mut Differences) {
        let node = &self.nodes[self.host("carts")];
        let mut standing: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
        for order in self.nodes[self.host("orders")].rows::<Order>() {
            if let Some(cart_id) = order.summary().cart_id.clone().filter(|_| order.state() != OrderState::Rejected) {
                standing.entry(cart_id).or_default().insert(order.order_id().clone());
            }
        }
        for cart in node.rows::<Cart>() {
            let orders = standing.get(cart.cart_id()).map_or(0, BTreeSet::len);
            let counted = usize::try_from(cart.orders()).unwrap_or(usize::MAX);
            let fits = if orders > 0 { cart.state() != CartState::Open } else { cart.state() != CartState::CheckedOut };
            if counted != orders || !fits {
                let detail = format!("is {} with {counted} orders, and {orders} stand", cart.state());
                differences.push((format!("cart {}", cart.cart_id()), detail));
            }
        }
        for customer in node.rows::<tradewind_carts::Customer>() {
            for cart_id in customer.open_carts().iter() {
                let state = node.row::<Cart>(&cart_id.into()).map(|cart| cart.state());
                if state != Some(CartState::Open) {
                    let detail = format!("is on the list of open ones of {}, and {state:?}", customer.customer_id());
                    differences.push((format!("cart {cart_id}"), detail));
                }
            }
        }
    }
}
