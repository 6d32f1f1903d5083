//! Every state of a payment beside everything that can happen to it, as one table that is read and kept: `matrix.txt`.

use std::fmt::Write;

use tradewind_engine::Problem;
use tradewind_events::{
    TextEnum, id,
    jobs::{ProviderAction, ProviderState},
};
use tradewind_payments::{
    Payment,
    commands::{AuthorizeExternal, CapturePayment, FailExternal, Owed, ProviderCallback, RetryOwed, SettleOwed, Via},
};

use crate::world::{Order, REFERENCE, TOTAL, World, answer, callback, eur};

type Stimulus = fn(&mut World, &Order) -> Result<(), Problem>;

/// Which order, and how its payment comes into a state.
type Begin = fn() -> Order;
type Reach = fn(&mut World, &Order);

/// What can happen, by name. The first ones may come again at any time, and must change nothing then.
const FACTS: &[(&str, Stimulus)] = &[
    ("order.validated", |world, order| {
        world.validates(order);
        Ok(())
    }),
    ("order.confirmed", |world, order| {
        world.confirms(order);
        Ok(())
    }),
    ("order.completed", |world, order| {
        world.completes(order);
        Ok(())
    }),
    ("order.rejected", |world, order| {
        world.rejects(order);
        Ok(())
    }),
    ("order.cancelled", |world, order| {
        world.cancels(order);
        Ok(())
    }),
    ("callback authorized", |world, _| world.calls_back(ProviderState::Authorized).map(drop)),
    ("callback captured", |world, _| world.calls_back(ProviderState::Captured).map(drop)),
    ("callback declined", |world, _| world.calls_back(ProviderState::Declined).map(drop)),
    ("callback voided", |world, _| world.calls_back(ProviderState::Voided).map(drop)),
    ("callback refunded", |world, _| world.calls_back(ProviderState::Refunded).map(drop)),
    ("callback returned", |world, _| world.calls_back(ProviderState::Returned).map(drop)),
    ("callback nothing_held", |world, _| world.calls_back(ProviderState::NothingHeld).map(drop)),
    ("callback refused", |world, _| world.calls_back(ProviderState::Refused).map(drop)),
    ("callback pending", |world, _| world.calls_back(ProviderState::Pending).map(drop)),
    ("callback authorized, other charge", |world, _| {
        let other = ProviderCallback { reference: id("charge-2"), ..callback(ProviderState::Authorized) };
        world.stage.ask(other).map(drop)
    }),
    ("callback authorized, wrong amount", |world, _| {
        let wrong = ProviderCallback { amount_minor: TOTAL - 1, ..callback(ProviderState::Authorized) };
        world.stage.ask(wrong).map(drop)
    }),
    ("authorize_external", |world, _| world.stage.ask(authorize(Via::Api, REFERENCE, TOTAL)).map(drop)),
    ("authorize_external, other reference", |world, _| {
        world.stage.ask(authorize(Via::Api, "their-2", TOTAL)).map(drop)
    }),
    ("authorize_external, wrong amount", |world, _| {
        world.stage.ask(authorize(Via::Api, "their-3", TOTAL - 1)).map(drop)
    }),
    ("authorize_external by contract, wrong amount", |world, _| {
        world.stage.ask(authorize(Via::Contract, "their-3", TOTAL - 1)).map(drop)
    }),
    ("fail_external", |world, _| {
        world.stage.ask(FailExternal { order_id: id("order-1"), reason: "limit".into() }).map(drop)
    }),
    ("refund_payment", |world, _| world.refunds("refund-9", None).map(drop)),
    ("refund_payment, a part", |world, _| world.refunds("refund-9", Some(1_000)).map(drop)),
];

const WISHES: &[(&str, Stimulus)] = &[
    ("capture_payment", |world, _| world.stage.ask(CapturePayment { order_id: id("order-1") }).map(drop)),
    ("retry_owed", |world, _| world.stage.ask(RetryOwed { order_id: id("order-1"), owed: Owed::Hold }).map(drop)),
    ("settle_owed", |world, _| {
        let settle = SettleOwed { order_id: id("order-1"), owed: Owed::Hold, actor: "operator-1".into() };
        world.stage.ask(settle).map(drop)
    }),
];

fn authorize(via: Via, reference: &str, amount_minor: i64) -> AuthorizeExternal {
    AuthorizeExternal { order_id: id("order-1"), reference: id(reference), amount_minor, currency: eur(), via }
}

/// How to come into each state, from a world where the order is unheard of.
const STATES: &[(&str, Begin, Reach)] = &[
    ("no row", Order::card, |_, _| {}),
    ("unheard, confirmed", Order::card, |world, order| world.confirms(order)),
    ("ended", Order::card, |world, order| world.rejects(order)),
    ("authorizing", Order::card, |world, order| world.validates(order)),
    ("authorized", Order::card, reach_authorized),
    ("capturing", Order::card, reach_capturing),
    ("authorized, capture refused", Order::card, |world, order| {
        reach_capturing(world, order);
        world.answers(ProviderState::Refused);
    }),
    ("captured", Order::card, reach_captured),
    ("captured, completed", Order::card, |world, order| {
        reach_captured(world, order);
        world.completes(order);
    }),
    ("refunding a part, completed", Order::card, |world, order| {
        reach_captured(world, order);
        world.completes(order);
        world.refunds("refund-1", Some(2_000)).unwrap();
    }),
    ("refunding, ended", Order::card, |world, order| {
        reach_captured(world, order);
        world.cancels(order);
    }),
    ("captured, refund owed", Order::card, |world, order| {
        reach_captured(world, order);
        world.cancels(order);
        world.answers(ProviderState::Refused);
    }),
    ("refunded", Order::card, |world, order| {
        reach_captured(world, order);
        world.cancels(order);
        world.answers(ProviderState::Refunded);
    }),
    ("failed", Order::card, |world, order| {
        world.validates(order);
        world.answers(ProviderState::Declined);
    }),
    ("voiding an open authorization", Order::card, |world, order| {
        world.validates(order);
        world.cancels(order);
    }),
    ("voiding", Order::card, |world, order| {
        reach_authorized(world, order);
        world.cancels(order);
    }),
    ("authorized, owed", Order::card, |world, order| {
        reach_authorized(world, order);
        world.cancels(order);
        world.answers(ProviderState::Refused);
    }),
    ("voided", Order::card, |world, order| {
        reach_authorized(world, order);
        world.cancels(order);
        world.answers(ProviderState::Voided);
    }),
    ("pending (external)", Order::external, |world, order| world.validates(order)),
    ("authorized (external)", Order::external, |world, order| {
        world.validates(order);
        world.stage.ask(authorize(Via::Api, REFERENCE, TOTAL)).unwrap();
    }),
    ("captured (external)", Order::external, |world, order| {
        world.validates(order);
        world.confirms(order);
        world.completes(order);
        world.stage.ask(authorize(Via::Api, REFERENCE, TOTAL)).unwrap();
    }),
    ("cancelled (external)", Order::external, |world, order| {
        world.validates(order);
        world.cancels(order);
    }),
    ("ended (external)", Order::external, |world, order| world.cancels(order)),
    ("authorized (balance)", Order::balance, |world, order| world.validates(order)),
    ("captured (balance)", Order::balance, |world, order| {
        world.validates(order);
        world.confirms(order);
        world.completes(order);
    }),
    ("voided (balance)", Order::balance, |world, order| {
        world.validates(order);
        world.cancels(order);
    }),
];

fn reach_authorized(world: &mut World, order: &Order) {
    world.validates(order);
    world.answers(ProviderState::Authorized);
}

fn reach_capturing(world: &mut World, order: &Order) {
    reach_authorized(world, order);
    world.confirms(order);
}

fn reach_captured(world: &mut World, order: &Order) {
    reach_capturing(world, order);
    world.answers(ProviderState::Captured);
}

/// What a stimulus does: the new state, what is said, and what is asked of the provider.
fn effect(world: &mut World, happens: impl FnOnce(&mut World) -> Result<(), Problem>) -> String {
    let state = |world: &World| world.stage.row::<Payment>(id("order-1")).map(|payment| payment.state());
    world.stage.clear();
    let (before, calls) = (state(world), world.calls());
    if let Err(problem) = happens(world) {
        assert_eq!((state(world), world.calls(), world.said()), (before, calls, vec![]), "{problem}");
        return format!("refused: {}", problem.code());
    }
    let mut told = Vec::new();
    if let Some(after) = state(world).filter(|after| Some(*after) != before) {
        told.push(format!("→ {after}"));
    }
    told.extend(world.said().into_iter().map(str::to_owned));
    let asked = world.calls().into_iter().filter(|(job, _)| calls.iter().all(|(known, _)| known != job));
    told.extend(asked.map(|(_, call)| format!("asks {}", call.action)));
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}

fn reached(order: Begin, reach: Reach) -> (World, Order) {
    let (mut world, order) = (World::with_balance(TOTAL), order());
    reach(&mut world, &order);
    (world, order)
}

/// The call that is waited for: that of the authorization only when there is no other.
fn answers(world: &mut World, state: ProviderState) -> bool {
    let calls = world.calls();
    let authorizes = |call: &&(_, tradewind_events::jobs::ProviderCall)| call.1.action == ProviderAction::Authorize;
    let Some((job, call)) = calls.iter().find(|call| !authorizes(call)).or(calls.first()) else { return false };
    world.answers_call(job, &answer(call, state));
    true
}

#[test]
fn every_state_meets_every_event_callback_answer_and_command() {
    let mut table = String::new();
    for (name, order, reach) in STATES {
        let mut cells: Vec<(String, String)> = Vec::new();
        for (what, happens) in FACTS {
            let (mut world, order) = reached(*order, *reach);
            cells.push(((*what).to_owned(), effect(&mut world, |world| happens(world, &order))));
            let again = effect(&mut world, |world| happens(world, &order));
            assert!(again == "nothing" || again.starts_with("refused"), "{name}: {what} again: {again}");
            world.audit();
        }
        for (what, happens) in WISHES {
            let (mut world, order) = reached(*order, *reach);
            cells.push(((*what).to_owned(), effect(&mut world, |world| happens(world, &order))));
            world.audit();
        }
        for state in ProviderState::ALL {
            let (mut world, _) = reached(*order, *reach);
            let mut asked = false;
            let told = effect(&mut world, |world| {
                asked = answers(world, *state);
                Ok(())
            });
            if asked {
                cells.push((format!("answer {state}"), told));
                world.audit();
            }
        }
        writeln!(table, "{name}").unwrap();
        for (what, told) in cells.iter().filter(|(_, told)| told != "nothing") {
            writeln!(table, "    {what}: {told}").unwrap();
        }
        let nothing: Vec<_> = cells.iter().filter(|(_, told)| told == "nothing").map(|(what, _)| &**what).collect();
        writeln!(table, "    nothing: {}\n", nothing.join("; ")).unwrap();
    }
    assert!(table == include_str!("matrix.txt"), "matrix.txt should read:\n{table}");
}
