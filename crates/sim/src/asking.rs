//! Wishes as commands: what is sent, to which service, and what of the answer is kept.

use std::{sync::Arc, time::Duration};

use tradewind_carts::{
    Who,
    commands::{AddLine, Checkout, CreateCart},
};
use tradewind_catalog::commands::{
    ArchiveProduct, CreateProduct, DiscontinueVariant, NewVariant, Patch, PublishProduct, SetPrice, UnpublishProduct,
    UpdateProduct,
};
use tradewind_engine::{Command, CommandMessage, Context, Settings, StoredAnswer, operator::Operator};
use tradewind_events::{Address, AdjustmentType, Attributes, Id, Line, PaymentMethod, Personal, id};
use tradewind_identity::{
    commands::{ChangeEmail, DeleteUser, Register},
    model::{Actor, Names, PasswordHash},
};
use tradewind_inventory::{AdjustStock, CreateLocation, SetThresholds, Thresholds};
use tradewind_orders::{Basket, CancelOrder, PlaceOrder, PlacedBy};
use tradewind_payments::{
    Payment,
    commands::{
        AuthorizeExternal, CapturePayment, CreditAccount, FailExternal, RefundPayment, RetryOwed, SettleOwed,
        SettlePayable, Via,
    },
};
use tradewind_shipping::{DeliverShipment, DispatchShipment};

use crate::{
    people::{Deed, Wish},
    plan::{OrderPlan, Paying},
    shop::eur,
    world::World,
};

/// The second location.
const ELSEWHERE: &str = "elsewhere";

/// Who does what staff does.
const STAFF: &str = "staff";

/// A command on its way, with the store that it goes to.
pub type Sent = (usize, CommandMessage);

/// The id of a product and the SKU of a good, by number.
fn product_id(product: usize) -> Id {
    id(&format!("product-{product}"))
}

pub fn sku(good: usize) -> Id {
    id(&format!("SKU-{good}"))
}

impl World {
    /// The command of a wish. `None`: it cannot be said yet, or not any more.
    pub fn command(&self, deed: &Deed) -> Option<Sent> {
        match &deed.wish {
            Wish::Register { .. } | Wish::Credit { .. } | Wish::Move { .. } | Wish::Leave { .. } => {
                self.about_a_buyer(deed)
            }
            Wish::OpenLocation
            | Wish::CreateProduct { .. }
            | Wish::Stock { .. }
            | Wish::Watch { .. }
            | Wish::Publish { .. }
            | Wish::Unpublish { .. }
            | Wish::Rename { .. }
            | Wish::Archive { .. }
            | Wish::Discontinue { .. }
            | Wish::Price { .. }
            | Wish::Adjust { .. } => Some(self.about_goods(deed)),
            Wish::OpenCart { .. } | Wish::FillCart { .. } | Wish::CheckOut { .. } | Wish::Place { .. } => {
                self.shopping(deed)
            }
            Wish::Cancel { .. }
            | Wish::Pay { .. }
            | Wish::Ship { .. }
            | Wish::Arrive { .. }
            | Wish::Refund { .. }
            | Wish::Capture { .. } => self.about_an_order(deed),
            Wish::Callback(callback) => Some(self.sent(deed, callback.clone(), |_| String::new())),
            Wish::Retry { order_id, owed } => {
                let retry = RetryOwed { order_id: order_id.clone(), owed: owed.clone() };
                Some(self.sent(deed, retry, |payment| payment.state().to_string()))
            }
            Wish::Settle { order_id, owed } => {
                let settle = SettleOwed { order_id: order_id.clone(), owed: owed.clone(), actor: STAFF.into() };
                Some(self.sent(deed, settle, |payment| payment.state().to_string()))
            }
            Wish::PayOut { customer_id, amount_minor } => {
                let (customer_id, amount_minor) = (customer_id.clone(), *amount_minor);
                let settle = SettlePayable { customer_id, currency: eur(), amount_minor, actor: STAFF.into() };
                Some(self.sent(deed, settle, |account| account.payable_minor().to_string()))
            }
            Wish::Operate { node, action } => {
                let operator = Operator { actor: STAFF.into(), action: action.clone() };
                let message = CommandMessage::operator(operator, context(deed), |_| StoredAnswer::default());
                Some((*node, message))
            }
        }
    }

    /// A command of a service, with what of its answer is kept.
    fn sent<C: Command>(&self, deed: &Deed, command: C, keep: fn(&C::Answer) -> String) -> Sent {
        let render =
            move |answer: &C::Answer| StoredAnswer { status: 200, location: None, body: keep(answer).into_bytes() };
        (self.host(C::Owner::SERVICE), CommandMessage::new(command, context(deed), render))
    }

    fn about_a_buyer(&self, deed: &Deed) -> Option<Sent> {
        let of = |buyer: &usize| self.people.buyers.get(buyer).cloned();
        Some(match &deed.wish {
            Wish::Register { buyer } => {
                let register = Register {
                    email: address(*buyer, "example.org"),
                    names: Names::default(),
                    password_hash: PasswordHash::new("$argon2id$v=19$m=8,t=1,p=1$c2ltdWxhdGVk$c2ltdWxhdGVk").ok()?,
                    verification: None,
                    conceal_taken: false,
                };
                self.sent(deed, register, |user| user.user_id().to_string())
            }
            Wish::Credit { buyer, amount_minor } => {
                let credit = CreditAccount {
                    customer_id: of(buyer)?,
                    currency: eur(),
                    amount_minor: *amount_minor,
                    cause: "top_up".into(),
                    reference: None,
                    actor: STAFF.into(),
                };
                self.sent(deed, credit, |account| account.customer_id().to_string())
            }
            Wish::Move { buyer } => {
                let email = address(*buyer, "example.net");
                let (user_id, actor) = (of(buyer)?, Actor::Shop);
                let change = ChangeEmail { user_id, email, generation: None, verification: None, actor };
                self.sent(deed, change, |user| user.user_id().to_string())
            }
            Wish::Leave { buyer } => {
                let delete = DeleteUser { user_id: of(buyer)?, generation: None, actor: Actor::Shop };
                self.sent(deed, delete, |()| String::new())
            }
            _ => return None,
        })
    }

    fn about_goods(&self, deed: &Deed) -> Sent {
        let product_of = |good: &usize| product_id(self.people.plan.goods[*good].product);
        match &deed.wish {
            Wish::CreateProduct { product } => self.create_product(deed, *product),
            Wish::Stock { good, elsewhere, quantity } => {
                let location_id = elsewhere.then(|| id(ELSEWHERE));
                self.adjust(deed, *good, location_id, (*quantity, AdjustmentType::Restock))
            }
            Wish::Adjust { good, delta, adjustment_type } => self.adjust(deed, *good, None, (*delta, *adjustment_type)),
            Wish::Watch { good } => {
                let thresholds = Thresholds { warning: Some(4), urgent: Some(1), critical: Some(0) };
                let set = SetThresholds { sku: sku(*good), location_id: None, thresholds };
                self.sent(deed, set, |stock| stock.sku().to_string())
            }
            Wish::Publish { good } => {
                let publish = PublishProduct { product_id: product_of(good) };
                self.sent(deed, publish, |product| product.product_id.to_string())
            }
            Wish::Unpublish { good } => {
                let unpublish = UnpublishProduct { product_id: product_of(good) };
                self.sent(deed, unpublish, |product| product.product_id.to_string())
            }
            Wish::Rename { good } => {
                let update = UpdateProduct {
                    product_id: product_of(good),
                    name: Some("Another name".into()),
                    description: None,
                    brand: Patch::Set("A brand".into()),
                    category_ids: None,
                    attributes: None,
                    media: None,
                };
                self.sent(deed, update, |product| product.product_id.to_string())
            }
            Wish::Archive { good } => {
                let archive = ArchiveProduct { product_id: product_of(good), reason: "sold off".into() };
                self.sent(deed, archive, |product| product.product_id.to_string())
            }
            Wish::Discontinue { good } => {
                self.sent(deed, DiscontinueVariant { sku: sku(*good) }, |variant| variant.sku.to_string())
            }
            Wish::Price { good, amount_minor, after_ms } => {
                let effective_at = after_ms.map(|after_ms| self.clock.now().plus(Duration::from_millis(after_ms)));
                let (amount_minor, currency) = (*amount_minor, eur());
                let set = SetPrice { sku: sku(*good), amount_minor, currency, effective_at, reason: None };
                self.sent(deed, set, |price| price.price_id.to_string())
            }
            _ => {
                let create =
                    CreateLocation { location_id: Some(id(ELSEWHERE)), name: "Elsewhere".into(), priority: Some(50) };
                self.sent(deed, create, |location| location.location_id().to_string())
            }
        }
    }

    fn create_product(&self, deed: &Deed, product: usize) -> Sent {
        let goods = self.people.plan.goods.iter().enumerate().filter(|(_, good)| good.product == product);
        let variant = |(nth, good): (usize, &crate::plan::Good)| NewVariant {
            sku: sku(nth),
            attributes: Attributes::default(),
            amount_minor: good.price_minor,
            currency: eur(),
        };
        let create = CreateProduct {
            product_id: Some(product_id(product)),
            name: format!("Product {product}").into(),
            description: "Simulated.".into(),
            brand: None,
            category_ids: Arc::default(),
            attributes: Attributes::default(),
            media: Vec::new(),
            variants: goods.map(variant).collect(),
        };
        self.sent(deed, create, |product| product.product_id.to_string())
    }

    fn adjust(
        &self,
        deed: &Deed,
        good: usize,
        location_id: Option<Id>,
        (delta, adjustment_type): (i64, AdjustmentType),
    ) -> Sent {
        let adjust = AdjustStock {
            sku: sku(good),
            location_id,
            delta,
            adjustment_type,
            reason: None,
            reference: None,
            source: None,
            actor: Some(STAFF.into()),
        };
        self.sent(deed, adjust, |level| level.on_hand.to_string())
    }

    fn shopping(&self, deed: &Deed) -> Option<Sent> {
        let order_of = |order: &usize| &self.people.plan.orders[*order].1;
        let buyer_of = |order: &usize| self.people.buyers.get(&order_of(order).buyer).cloned();
        Some(match &deed.wish {
            Wish::OpenCart { order } => {
                let create = CreateCart { customer_id: Some(buyer_of(order)?) };
                self.sent(deed, create, |cart| cart.cart_id().to_string())
            }
            Wish::FillCart { order, cart_id, line } => {
                let (good, quantity) = order_of(order).lines[*line];
                let (cart_id, who) = (cart_id.clone(), Who::Customer(buyer_of(order)?));
                let add = AddLine { cart_id, who, sku: sku(good), quantity };
                self.sent(deed, add, |cart| cart.cart_id().to_string())
            }
            Wish::CheckOut { order, cart_id } => {
                let (cart_id, who) = (cart_id.clone(), Who::Customer(buyer_of(order)?));
                let checkout = Checkout { cart_id, who, revision: None };
                self.sent(deed, checkout, |snapshot| serde_json::to_string(snapshot).unwrap_or_default())
            }
            Wish::Place { order, cart } => {
                let basket = match cart {
                    Some(cart) => Basket::Cart(Arc::clone(cart)),
                    None => self.lines(order_of(order)),
                };
                let place = place(order_of(order), buyer_of(order)?, basket);
                self.sent(deed, place, |accepted| accepted.order_id.to_string())
            }
            _ => return None,
        })
    }

    fn lines(&self, plan: &OrderPlan) -> Basket {
        let line = |(good, quantity): &(usize, u32)| Line {
            product_id: product_id(self.people.plan.goods[*good].product),
            sku: sku(*good),
            quantity: *quantity,
            unit_price_minor: plan.stale_price.then_some(self.people.plan.goods[*good].price_minor + 1),
            location_id: None,
            reservation_id: None,
        };
        Basket::Lines { order_id: None, currency: None, lines: plan.lines.iter().map(line).collect() }
    }

    fn about_an_order(&self, deed: &Deed) -> Option<Sent> {
        let id_of = |order: &usize| self.people.order_id(*order).cloned();
        Some(match &deed.wish {
            Wish::Cancel { order, by_customer } => {
                let buyer = self.people.plan.orders[*order].1.buyer;
                let customer = if *by_customer { Some(self.people.buyers.get(&buyer).cloned()?) } else { None };
                let cancel = CancelOrder { order_id: id_of(order)?, customer, reason: None };
                self.sent(deed, cancel, |accepted| accepted.status.to_string())
            }
            Wish::Pay { order, how, again } => return self.pay(deed, id_of(order)?, (*how, *again)),
            Wish::Ship { order } => {
                let dispatch =
                    DispatchShipment { order_id: id_of(order)?, carrier: Some("carrier".into()), tracking: None };
                self.sent(deed, dispatch, |shipment| shipment.order_id().to_string())
            }
            Wish::Arrive { order } => {
                let arrived = DeliverShipment { order_id: id_of(order)? };
                self.sent(deed, arrived, |shipment| shipment.order_id().to_string())
            }
            Wish::Refund { order, whole } => {
                let refund = RefundPayment {
                    order_id: id_of(order)?,
                    refund_id: None,
                    amount_minor: (!whole).then_some(100),
                    reason: "it broke".into(),
                    actor: STAFF.into(),
                };
                self.sent(deed, refund, |refund| refund.refund_id().to_string())
            }
            Wish::Capture { order } => {
                let capture = CapturePayment { order_id: id_of(order)? };
                self.sent(deed, capture, |payment| payment.payment_id().to_string())
            }
            _ => return None,
        })
    }

    /// Somebody outside pays what the shop has asked for: they have it from `payment.requested`.
    fn pay(&self, deed: &Deed, order_id: Id, (how, again): (Paying, bool)) -> Option<Sent> {
        if how == Paying::Fails {
            let fail = FailExternal { order_id, reason: "no money".into() };
            return Some(self.sent(deed, fail, |payment| payment.state().to_string()));
        }
        let payment = self.nodes[self.host("payments")].row::<Payment>(&(&order_id).into())?;
        if payment.order().payment_method != PaymentMethod::External || payment.amount_minor() == 0 {
            return None;
        }
        let reference = id(&format!("{order_id}-paid-{}", u8::from(again)));
        let (amount_minor, via) = match how {
            Paying::PaysWrong => (payment.amount_minor() + 1, Via::Contract),
            _ => (payment.amount_minor(), Via::Api),
        };
        let authorize = AuthorizeExternal { order_id, reference, amount_minor, currency: eur(), via };
        Some(self.sent(deed, authorize, |authorized| authorized.payment.payment_id().to_string()))
    }
}

fn context(deed: &Deed) -> Context {
    let request_id = deed.key.clone().unwrap_or_else(|| id("request"));
    Context { correlation_id: request_id.clone(), request_id, traceparent: None }
}

fn address(buyer: usize, domain: &str) -> Personal<String> {
    Personal::new(format!("buyer{buyer}@{domain}"))
}

fn place(plan: &OrderPlan, customer_id: Id, basket: Basket) -> PlaceOrder {
    let personal = |text: &str| Personal::new(text.to_owned());
    let to = |country: &str| Address {
        street: personal("Street 1"),
        city: personal("City"),
        state: None,
        zip: personal("12345"),
        country: personal(country),
    };
    // Only the shop itself may have stock held for another time than usual.
    let by = if plan.ttl_seconds.is_some() { PlacedBy::Shop } else { PlacedBy::Customer };
    PlaceOrder {
        by,
        customer_id,
        basket,
        payment_method: plan.method,
        shipping_address: plan.country.map(|country| Arc::new(to(country))),
        billing_address: None,
        reservation_ttl_seconds: plan.ttl_seconds,
    }
}
