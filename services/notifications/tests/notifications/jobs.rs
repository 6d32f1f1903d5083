//! What becomes of a notification once a worker has it.

use tradewind_engine::{TryOutcome, operator::Action, tables::JobRow};
use tradewind_events::{
    Id,
    jobs::MailReceipt,
    notifications::{Channel, NotificationFailed, NotificationKind, NotificationSent},
};
use tradewind_notifications::model::{NotificationState, SendNotification};
use tradewind_testkit::Stage;

use super::{confirmed, deleted, expect_quiet, mails, notification, registered, stage};

/// A notification whose mail waits for a worker.
fn queued(stage: &mut Stage) -> Id {
    stage.hear(registered());
    let told = stage.hear(confirmed("order-1"));
    stage.clear();
    told
}

fn receipt(told: &Id, refused: Option<&str>) -> MailReceipt {
    MailReceipt { message_id: told.clone(), refused: refused.map(Into::into), reference: None }
}

#[test]
fn a_notification_is_sent_once() {
    let mut stage = stage();
    let told = queued(&mut stage);
    stage.try_job(&told, TryOutcome::Unknown("timed out".into()));
    stage.finish::<SendNotification>(&told, &receipt(&told, None));
    stage.finish::<SendNotification>(&told, &receipt(&told, None));
    let [sent] = &stage.said::<NotificationSent>()[..] else { panic!("it is said once") };
    assert_eq!((sent.kind, sent.channel, sent.attempts), (NotificationKind::Confirmed, Channel::Email, 2));
    let row = notification(&stage, &told);
    assert_eq!(
        (row.state(), row.attempts(), row.settled_at()),
        (NotificationState::Sent, 2, Some(stage.committed_at()))
    );
    assert_eq!(mails(&stage), []);
    expect_quiet(&stage);
}

#[test]
fn a_notification_that_the_other_side_refuses_has_failed() {
    let mut stage = stage();
    let told = queued(&mut stage);
    stage.finish::<SendNotification>(&told, &receipt(&told, Some("mailbox_unavailable")));
    let [failed] = &stage.said::<NotificationFailed>()[..] else { panic!("it is said once") };
    assert_eq!((&*failed.reason, failed.attempts), ("mailbox_unavailable", 1));
    let row = notification(&stage, &told);
    assert_eq!(
        (row.state(), row.reason().map(AsRef::as_ref)),
        (NotificationState::Failed, Some("mailbox_unavailable"))
    );
    expect_quiet(&stage);
}

#[test]
fn a_mail_whose_attempts_are_used_up_is_owed_and_an_operator_settles_it() {
    let mut stage = stage();
    let told = queued(&mut stage);
    while stage.rows::<JobRow>()[0].state == tradewind_engine::tables::JobState::Waiting {
        stage.try_job(&told, TryOutcome::Unknown("connection refused".into()));
    }
    assert_eq!(notification(&stage, &told).state(), NotificationState::Queued);
    let reply = r#"{"message_id":"m","refused":"given_up"}"#.into();
    stage.operate(Action::SettleJob { job: told.clone(), reply, reason: "server gone".into() }).unwrap();
    assert_eq!(notification(&stage, &told).reason().map(AsRef::as_ref), Some("given_up"));
    expect_quiet(&stage);
}

#[test]
fn a_mail_on_its_way_to_a_user_who_leaves_is_still_settled() {
    let mut stage = stage();
    let told = queued(&mut stage);
    stage.hear(deleted());
    stage.finish::<SendNotification>(&told, &receipt(&told, None));
    assert_eq!(notification(&stage, &told).state(), NotificationState::Sent);
    expect_quiet(&stage);
}
