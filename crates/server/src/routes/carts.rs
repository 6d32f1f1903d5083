//! Carts: anonymous ones, which belong to whoever knows their unguessable id, and those of customers. Who may see a cart
//! is for carts to say; another's is as if it were not there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_carts::{
    CART_NOT_FOUND, Cart, CartState, Customer, Who,
    commands::{AddLine, Checkout, CreateCart, DeleteCart, MergeCarts, RemoveLine, SetQuantity},
};
use tradewind_events::{CartSnapshot, Currency, Id, Line, Timestamp, plus, times};
use tradewind_identity::model::Role;

use crate::http::{Call, Created, Done, Failure, Json, Okay, Path, Sent, location};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCartLine {
    sku: Id,
    /// So many more of it.
    #[schemars(range(min = 1, max = 1_000_000))]
    quantity: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewQuantity {
    #[schemars(range(min = 1, max = 1_000_000))]
    quantity: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Merging {
    /// The customer's cart.
    into_cart_id: Id,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckingOut {
    /// What the customer has seen: a cart that was changed since is refused. As it is, when this is absent.
    #[serde(default)]
    revision: Option<u64>,
}

/// A cart.
#[derive(Serialize, JsonSchema)]
pub struct CartView {
    cart_id: Id,
    /// Absent for an anonymous cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<Id>,
    state: CartState,
    /// Counts the changes of its lines, from 1.
    revision: u64,
    currency: Currency,
    /// At the prices that were last seen. What an order costs is quoted when it is placed.
    lines: Vec<CartLine>,
    /// The sum of the lines. Absent when it is larger than the system can carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    items_total_minor: Option<i64>,
    /// The order of the last checkout of this revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<Id>,
    expires_at: Timestamp,
    /// The customer's cart that has taken this one in.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<Id>,
}

/// So many of one SKU.
#[derive(Serialize, JsonSchema)]
pub struct CartLine {
    product_id: Id,
    sku: Id,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price_minor: Option<i64>,
}

/// The open carts of a customer: a few at most.
#[derive(Serialize, JsonSchema)]
pub struct OpenCarts {
    items: Vec<CartView>,
}

pub async fn create(call: Call) -> Result<Sent<Created<CartView>>, Failure> {
    let user = call.principal().filter(|principal| principal.role != Role::Service);
    let customer_id = user.map(|user| user.id.clone());
    let answer = |cart: &Cart| Created { location: location("/v1/carts", cart.cart_id()), body: CartView::from(cart) };
    call.submit(CreateCart { customer_id }, answer).await
}

pub async fn list(call: Call, Path(user_id): Path<Id>) -> Result<Okay<OpenCarts>, Failure> {
    let customer = call.load::<Customer>(&user_id).await?;
    let open = customer.iter().flat_map(|customer| customer.open_carts().iter());
    let carts: Vec<Cart> = call.load_all(open).await?;
    Ok(Okay(OpenCarts { items: carts.iter().map(CartView::from).collect() }))
}

pub async fn read(call: Call, Path(cart_id): Path<Id>) -> Result<Okay<CartView>, Failure> {
    let cart = call.load::<Cart>(&cart_id).await?.filter(|cart| cart.is_open_to(&who(&call)));
    Ok(Okay(CartView::from(&cart.ok_or_else(|| CART_NOT_FOUND.problem())?)))
}

pub async fn remove(call: Call, Path(cart_id): Path<Id>) -> Result<Sent<Done>, Failure> {
    call.submit(DeleteCart { cart_id, who: who(&call) }, |()| Done).await
}

pub async fn add_line(
    call: Call,
    Path(cart_id): Path<Id>,
    Json(new): Json<NewCartLine>,
) -> Result<Sent<Okay<CartView>>, Failure> {
    let NewCartLine { sku, quantity } = new;
    call.submit(AddLine { cart_id, who: who(&call), sku, quantity }, shown).await
}

pub async fn set_quantity(
    call: Call,
    Path((cart_id, sku)): Path<(Id, Id)>,
    Json(new): Json<NewQuantity>,
) -> Result<Sent<Okay<CartView>>, Failure> {
    call.submit(SetQuantity { cart_id, who: who(&call), sku, quantity: new.quantity }, shown).await
}

pub async fn remove_line(call: Call, Path((cart_id, sku)): Path<(Id, Id)>) -> Result<Sent<Okay<CartView>>, Failure> {
    call.submit(RemoveLine { cart_id, who: who(&call), sku }, shown).await
}

pub async fn merge(
    call: Call,
    Path(cart_id): Path<Id>,
    Json(merging): Json<Merging>,
) -> Result<Sent<Okay<CartView>>, Failure> {
    owned(&call, &merging.into_cart_id).await?;
    let Merging { into_cart_id } = merging;
    call.submit(MergeCarts { cart_id, into_cart_id, who: who(&call) }, shown).await
}

pub async fn checkout(
    call: Call,
    Path(cart_id): Path<Id>,
    Json(checking_out): Json<CheckingOut>,
) -> Result<Sent<Okay<CartSnapshot>>, Failure> {
    owned(&call, &cart_id).await?;
    let checkout = Checkout { cart_id, who: who(&call), revision: checking_out.revision };
    call.submit(checkout, |snapshot| Okay(snapshot.clone())).await
}

/// On whose behalf a request comes.
fn who(call: &Call) -> Who {
    match call.principal() {
        None => Who::Anyone,
        Some(principal) if principal.role == Role::Customer => Who::Customer(principal.id.clone()),
        Some(_) => Who::Staff,
    }
}

/// Whoever asks may act for the customer of this cart. One that is nobody's is for the command to refuse.
async fn owned(call: &Call, cart_id: &Id) -> Result<(), Failure> {
    let cart = call.load::<Cart>(cart_id).await?.ok_or_else(|| CART_NOT_FOUND.problem())?;
    cart.customer_id().map_or(Ok(()), |customer_id| call.owned_by(customer_id, CART_NOT_FOUND))
}

fn shown(cart: &Cart) -> Okay<CartView> {
    Okay(CartView::from(cart))
}

fn total_minor(lines: &[Line]) -> Option<i64> {
    lines
        .iter()
        .try_fold(0, |total_minor, line| plus(total_minor, times(line.unit_price_minor?, line.quantity).ok()?).ok())
}

impl From<&Cart> for CartView {
    fn from(cart: &Cart) -> Self {
        let line = |line: &Line| CartLine {
            product_id: line.product_id.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
            unit_price_minor: line.unit_price_minor,
        };
        Self {
            cart_id: cart.cart_id().clone(),
            customer_id: cart.customer_id().cloned(),
            state: cart.state(),
            revision: cart.revision(),
            currency: cart.currency(),
            lines: cart.lines().iter().map(line).collect(),
            items_total_minor: total_minor(cart.lines()),
            order_id: cart.order_id().cloned(),
            expires_at: cart.expires_at(),
            merged_into: cart.merged_into().cloned(),
        }
    }
}
