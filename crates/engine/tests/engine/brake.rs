//! The brake of a subscription, in the engine with its threads.

use tradewind_engine::{
    CommandMessage, Context, Limits, StoredAnswer,
    operator::{Action, Operator},
    ports::BrokerMessage,
    tables::{ConsumerRow, DeadLetterRow},
};
use tradewind_events::{EventKind, Registry, id, row_key};
use tradewind_testkit::{BrokerKind, MemoryBroker, MemoryStore, Plan, Running};

use crate::toy::{self, Changed, Happened, Image, add};

fn tally(broker: &MemoryBroker) -> Running {
    let broker = Some(broker.clone());
    Plan { registry: toy::registry(), broker, ..Plan::new("t", [toy::tally()]) }.start()
}

pub fn operates(engine: &Running, action: Action) {
    let operator = Operator { actor: "operator".into(), action };
    let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
    let message = CommandMessage::operator(operator, context, |_| StoredAnswer::default());
    engine.answer_to(message).expect("an operator may do so");
}

fn dead_letters(engine: &Running) -> usize {
    engine.store().rows(<DeadLetterRow as tradewind_engine::Entity>::TABLE).len()
}

#[test]
fn undecodable_messages_pause_the_subscription_alone_and_each_is_one_dead_letter() {
    let broker = MemoryBroker::of(BrokerKind::Log);
    for nth in 0..20 {
        let message = BrokerMessage::new("test.tally", "{ no JSON").with_header("ce_id", format!("{}", nth / 2));
        broker.inject(message);
    }
    let plan = |store| Plan {
        store,
        registry: toy::registry(),
        broker: Some(broker.clone()),
        hear: vec!["tally".to_owned()],
        limits: Limits { dead_letters_a_minute_max: 3, ..Limits::default() },
        ..Plan::new("m", [toy::mirror_service()])
    };
    let heard = plan(MemoryStore::new()).start();
    heard.wait_for_quietly::<ConsumerRow>(row_key(&["broker"]), |row| row.paused);
    // Two messages have one id.
    assert_eq!(dead_letters(&heard), 2);
    let heard = plan(heard.stop()).start();
    heard.wait_for_quietly::<ConsumerRow>(row_key(&["broker"]), |row| row.paused);
    let tally = tally(&broker);
    tally.ask(add("a", 1)).unwrap();
    for _ in 0..6 {
        let rows = dead_letters(&heard);
        operates(&heard, Action::Resume { consumer: id("broker") });
        if rows >= 9 {
            break;
        }
        heard.wait_for_quietly::<ConsumerRow>(row_key(&["broker"]), |row| row.paused);
    }
    heard.wait_for::<Image>(id("a"), |image| image.total == 1);
    broker.wait_until_settled("m");
    assert_eq!(dead_letters(&heard), 10);
}

#[test]
fn an_event_that_a_build_does_not_know_is_handled_by_the_next_one() {
    let broker = MemoryBroker::of(BrokerKind::Log);
    let tally = tally(&broker);
    tally.ask(add("a", 1)).unwrap();
    let old = Registry::new([EventKind::of::<Changed>("mirror"), EventKind::of::<Happened>("far")]);
    let plan = |store, registry| Plan {
        store,
        registry,
        broker: Some(broker.clone()),
        hear: vec!["tally".to_owned()],
        ..Plan::new("m", [toy::mirror_service()])
    };
    let heard = plan(MemoryStore::new(), old).start();
    let row = heard.wait_for_quietly::<ConsumerRow>(row_key(&["broker"]), |row| row.paused);
    assert_eq!(row.reason.as_deref(), Some(r#"unknown event: no event is named "tally.counted""#));
    assert_eq!((dead_letters(&heard), broker.owed("m")), (0, 1));
    let heard = plan(heard.stop(), toy::registry()).start();
    heard.wait_for::<Image>(id("a"), |image| image.total == 1);
    heard.wait_for_quietly::<ConsumerRow>(row_key(&["broker"]), |row| !row.paused);
    assert_eq!(dead_letters(&heard), 0);
}
