//! The kinds of orders that the demo sends, and how each must end.

/// One kind of order.
#[derive(Debug)]
pub struct Kind {
    /// What is done, and what goes wrong with it.
    pub name: &'static str,
    /// Of a thousand orders, about so many.
    pub share: u32,
    pub sku: &'static str,
    pub method: &'static str,
    pub buyer: Buyer,
    pub then: Then,
    /// How the order must stand at the end.
    pub ends: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buyer {
    /// One of many with money.
    Rich,
    /// One without.
    Poor,
}

/// What happens after the order was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// The goods leave and arrive.
    Deliver,
    /// The customer names a price that is not asked any more.
    StalePrice,
    /// The customer cancels an order that is confirmed.
    CancelConfirmed,
    /// The customer cancels before anybody has paid.
    CancelUnpaid,
    /// The goods leave, and then the customer wants to cancel.
    CancelTooLate,
    /// Whoever pays outside says that the money is held.
    PaidOutside,
    /// Whoever pays outside says that it is not.
    FailedOutside,
    /// Nobody pays: the stock is let go.
    NotPaid,
    /// The money is held when nobody waits for it any more.
    PaidTooLate,
    /// The same request is sent three times.
    Repeat,
}

/// A SKU of the demo: name, price in minor units, units. The last two digits of a price tell the provider's simulator
/// what to do when it is paid by card.
pub const GOODS: [(&str, &str, i64, i64); 13] = [
    ("TEA-GREEN", "Green tea, 100 g", 890, 1_000_000),
    ("TEA-BLACK", "Black tea, 100 g", 790, 1_000_000),
    ("POT-CLAY", "Clay teapot", 3_450, 1_000_000),
    ("CUP-BLUE", "Blue cup", 1_250, 1_000_000),
    ("KETTLE", "Copper kettle", 8_990, 1_000_000),
    ("RARE-PUERH", "Pu-erh of 1992, the last cake", 24_900, 1),
    ("SOLD-OUT", "Silver needle, sold out", 4_500, 0),
    ("CARD-DECLINED", "Tin box", 1_961, 1_000_000),
    ("CARD-TIMEOUT", "Bamboo whisk", 2_462, 1_000_000),
    ("CARD-DOWN", "Tea towel", 964, 1_000_000),
    ("CARD-CALLBACK", "Linen bag", 1_466, 1_000_000),
    ("CARD-NO-CAPTURE", "Iron trivet", 2_171, 1_000_000),
    ("CARD-TWICE", "Strainer", 677, 1_000_000),
];

/// Every kind. The shares add up to a thousand.
pub const KINDS: &[Kind] = &[
    kind("prepaid balance, delivered", 420, ("TEA-GREEN", "balance"), Then::Deliver, "completed"),
    kind("prepaid balance, waits for its parcel", 150, ("POT-CLAY", "balance"), Then::Nothing, "confirmed"),
    kind("card, delivered", 100, ("CUP-BLUE", "card"), Then::Deliver, "completed"),
    kind(
        "card: the provider answers nothing at first, but has charged",
        20,
        ("CARD-TIMEOUT", "card"),
        Then::Nothing,
        "confirmed",
    ),
    kind("card: the provider is down for a moment", 20, ("CARD-DOWN", "card"), Then::Nothing, "confirmed"),
    kind("card: the provider calls back twice", 20, ("CARD-CALLBACK", "card"), Then::Nothing, "confirmed"),
    kind("card: charged twice, the second charge goes back", 10, ("CARD-TWICE", "card"), Then::Nothing, "confirmed"),
    kind("paid outside", 40, ("TEA-BLACK", "external"), Then::PaidOutside, "confirmed"),
    kind("the same request three times", 20, ("TEA-BLACK", "balance"), Then::Repeat, "confirmed"),
    kind("sold out", 40, ("SOLD-OUT", "balance"), Then::Nothing, "rejected"),
    Kind { buyer: Buyer::Poor, ..kind("not enough money", 40, ("KETTLE", "balance"), Then::Nothing, "rejected") },
    kind("card declined", 30, ("CARD-DECLINED", "card"), Then::Nothing, "rejected"),
    kind("the price has changed", 20, ("KETTLE", "balance"), Then::StalePrice, "rejected"),
    kind("paid outside: refused", 10, ("TEA-BLACK", "external"), Then::FailedOutside, "rejected"),
    kind("paid outside: nobody pays, the stock is let go", 10, ("TEA-BLACK", "external"), Then::NotPaid, "rejected"),
    kind("paid outside: too late, the money goes back", 10, ("TEA-BLACK", "external"), Then::PaidTooLate, "rejected"),
    kind(
        "card: taking the money fails after confirmation",
        10,
        ("CARD-NO-CAPTURE", "card"),
        Then::Nothing,
        "cancelled",
    ),
    kind("cancelled before payment", 10, ("TEA-BLACK", "external"), Then::CancelUnpaid, "cancelled"),
    kind("cancelled after confirmation, refunded", 10, ("CUP-BLUE", "balance"), Then::CancelConfirmed, "cancelled"),
    kind("cancelled too late: the goods have left", 10, ("CUP-BLUE", "balance"), Then::CancelTooLate, "dispatched"),
];

/// How long orders that nobody pays in time hold their stock. No other order has a time that a slow machine could exceed.
pub const UNPAID_SECONDS: u32 = 4;

/// Buyers of the one cake that there is; exactly one gets it.
pub const RIVALS: u32 = 20;
pub const RARE: &str = "RARE-PUERH";

const fn kind(
    name: &'static str,
    share: u32,
    (sku, method): (&'static str, &'static str),
    then: Then,
    ends: &'static str,
) -> Kind {
    Kind { name, share, sku, method, buyer: Buyer::Rich, then, ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_of_a_thousand_and_every_sku_is_on_the_shelf() {
        assert_eq!(KINDS.iter().map(|kind| kind.share).sum::<u32>(), 1_000);
        for kind in KINDS {
            assert!(GOODS.iter().any(|(sku, ..)| *sku == kind.sku), "{}", kind.sku);
        }
    }
}
