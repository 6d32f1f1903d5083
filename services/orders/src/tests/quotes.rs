//! Which quotes are taken, and what becomes of an order that cannot have its quote.

use super::*;
use crate::OrderState;

#[test]
fn a_quote_that_is_not_whole_or_does_not_add_up_is_none() {
    let broken = |edit: fn(&mut QuoteIssued)| {
        let mut quote = quote_issued();
        edit(&mut quote);
        Quote::try_from(&quote).unwrap_err().to_string()
    };
    let amounts = |amounts| move |quote: &mut QuoteIssued| quote.order = summary(amounts);
    assert_eq!(broken(|quote| quote.order = summary(None)), "an amount is missing in the quote");
    assert_eq!(broken(|quote| quote.lines = vec![line("SKU-1", 2, None)].into()), "a price is missing in the quote");
    assert_eq!(
        broken(|quote| quote.lines = vec![line("SKU-1", 2, Some(-1))].into()),
        "a price of the quote is negative"
    );
    for (amounts_minor, reason) in [
        ([2_251, 101, 50, 100, TOTAL_MINOR], "the items of the quote do not add up"),
        ([2_250, 100, 50, 100, TOTAL_MINOR + 1], "the total of the quote does not add up"),
        ([2_250, -100, 50, 100, TOTAL_MINOR + 200], "an amount of the quote is negative"),
        ([2_250, 0, i64::MAX, 0, 0], "the total of the quote does not add up"),
    ] {
        let mut quote = quote_issued();
        amounts(Some(amounts_minor))(&mut quote);
        assert_eq!(Quote::try_from(&quote).unwrap_err().to_string(), reason);
    }
}

#[test]
fn a_quote_gives_the_order_its_prices_and_total() {
    let settings = Orders::default();
    let order = after(1, &settings);
    assert_eq!(*order.lines(), quoted_lines());
    assert_eq!(*order.summary(), quote_issued().order);
}

#[test]
fn a_quote_in_another_order_of_lines_is_taken_line_by_line() {
    let settings = Orders::default();
    let lines: Lines = quoted_lines().iter().rev().cloned().collect();
    let quote = Quote::try_from(&QuoteIssued { lines, ..quote_issued() }).unwrap();
    let mut order = placed(&settings);
    order.hear(&Fact::Quoted(quote), &settings, NOW);
    assert_eq!(*order.lines(), quoted_lines());
}

#[test]
fn a_quote_for_anything_else_than_what_was_ordered_rejects_the_order() {
    let settings = Orders::default();
    let with = |lines: Vec<Line>, items_minor| {
        let order = summary(Some([items_minor, 0, 0, 0, items_minor]));
        Quote::try_from(&QuoteIssued { order, lines: lines.into() }).unwrap()
    };
    let first = || line("SKU-1", 2, Some(1_000));
    let quotes = [
        with(vec![first()], 2_000),
        with(vec![first(), line("SKU-3", 1, Some(250))], 2_250),
        with(vec![line("SKU-2", 1, Some(250)), line("SKU-3", 1, Some(250))], 500),
        with(vec![first(), line("SKU-2", 2, Some(125))], 2_250),
    ];
    for quote in quotes {
        for is_early in [false, true] {
            let (order, said) = with_quote(&quote, new_order(), is_early, &settings);
            assert_eq!(
                (order.state(), order.lost_reason().map(AsRef::as_ref)),
                (OrderState::Rejected, Some("quote_mismatched"))
            );
            assert_eq!(names(&said).last(), Some(&"order.rejected"));
            assert_eq!(order.summary().total_minor, None);
        }
    }
}

#[test]
fn a_price_that_differs_from_the_carts_rejects_the_order() {
    let settings = Orders::default();
    let quote = Quote::try_from(&quote_issued()).unwrap();
    for (price_minor, state) in [(1_000, OrderState::Priced), (999, OrderState::Rejected)] {
        let lines = vec![line("SKU-1", 2, Some(price_minor)), line("SKU-2", 1, None)].into();
        let (order, _) = with_quote(&quote, NewOrder { lines, ..new_order() }, false, &settings);
        assert_eq!(order.state(), state);
    }
}

#[test]
fn an_amount_that_a_contract_cannot_carry_rejects_the_order() {
    let quote = Quote::try_from(&quote_issued()).unwrap();
    for (amount_minor_max, state) in [(TOTAL_MINOR, OrderState::Priced), (TOTAL_MINOR - 1, OrderState::Rejected)] {
        let settings = Orders { amount_minor_max, ..Orders::default() };
        let (order, _) = with_quote(&quote, new_order(), false, &settings);
        assert_eq!(order.state(), state);
        let reason = (state == OrderState::Rejected).then_some("contract_cannot_carry");
        assert_eq!(order.lost_reason().map(AsRef::as_ref), reason);
    }
}

#[test]
fn money_of_another_amount_or_currency_does_not_pay_an_order() {
    let settings = Orders::default();
    let dollars =
        Fact::Authorized { payment_id: id("payment-1"), amount_minor: TOTAL_MINOR, currency: "USD".parse().unwrap() };
    for wrong in [authorized(TOTAL_MINOR - 1), authorized(TOTAL_MINOR + 1), dollars] {
        let mut order = after(3, &settings);
        order.hear(&wrong, &settings, NOW);
        assert_eq!((order.state(), order.lost()), (OrderState::Rejected, Some(Lost::PaymentMismatched)));
        assert!(order.owes_money());
    }
}

fn with_quote(quote: &Quote, new: NewOrder, is_early: bool, settings: &Orders) -> (Order, Events) {
    let fact = Fact::Quoted(quote.clone());
    if is_early {
        let mut unheard = Order::unheard(&summary(None), NOW);
        unheard.hear(&fact, settings, NOW);
        return Order::place(Some(unheard), new, settings, NOW);
    }
    let (mut order, mut said) = Order::place(None, new, settings, NOW);
    said.extend(order.hear(&fact, settings, NOW).unwrap());
    (order, said)
}
