//! The mail server dies in the middle of taking a notification: it is sent again under the same Message-ID, and the
//! shop says once that it was sent.

use std::time::Duration;

use tradewind_engine::{Worker, tables::JobRow};
use tradewind_events::{
    identity::UserRegistered, notifications::NotificationSent, orders::OrderConfirmed, samples::Sample,
};
use tradewind_notifications::{
    Notifications,
    model::{Delivery, SendNotification},
};
use tradewind_testkit::Stage;

use crate::{
    mail_server::{Cut, MailServer, cut_off, header},
    personal,
    smtp::{plain, workers},
};

/// A shop whose customer is to be told that an order is confirmed.
fn shop() -> Stage {
    let settings = Notifications { delivery: Delivery::Smtp, ..Notifications::default() };
    let mut stage = Stage::new([tradewind_notifications::service(settings).into()]);
    stage.hear(UserRegistered { email: personal("ada@example.org"), ..UserRegistered::sample() });
    stage.hear(OrderConfirmed::sample());
    stage
}

/// Tries every job that is due once, over the mail server at this port.
fn work(stage: &mut Stage, port: u16) {
    let (worker, _) = workers(plain(port));
    let now = stage.now();
    for job in stage.rows::<JobRow>().into_iter().filter(|job| job.due_at <= now) {
        let outcome = worker.run(&job.id, &job.request, job.attempts + 1);
        stage.try_job(&job.id, outcome);
    }
}

fn server_dies(cut: Cut, name: &str) -> Option<Vec<String>> {
    let server = MailServer::start(name, &[])?;
    let maildir = server.maildir().to_owned();
    let mut stage = shop();
    let (port, dying) = cut_off(server, cut);
    work(&mut stage, port);
    dying.join().unwrap();
    let [job] = &stage.rows::<JobRow>()[..] else { panic!("the job is still to be done") };
    let error = job.last_error.as_deref().unwrap();
    assert_eq!((job.attempts, error), (1, "the connection was lost after the mail: it may have been taken"));
    assert_eq!(stage.said::<NotificationSent>(), []);

    let server = MailServer::start_with(&maildir, &[])?;
    work(&mut stage, server.port);
    assert_eq!(stage.jobs::<SendNotification>().len(), 1, "it is not asked again before its time");
    stage.advance(Duration::from_mins(1));
    work(&mut stage, server.port);
    assert_eq!(stage.jobs::<SendNotification>(), []);
    let [sent] = &stage.said::<NotificationSent>()[..] else { panic!("it is told once") };
    assert_eq!(sent.attempts, 2);
    Some(server.mails())
}

#[test]
fn a_mail_whose_server_died_after_data_is_sent_again_under_the_same_message_id_and_told_once() {
    let Some(mails) = server_dies(Cut::AfterTheAnswer, "died-after") else { return };
    let [first, second] = &mails[..] else { panic!("the server has taken it twice") };
    assert_eq!(header(first, "Message-ID"), header(second, "Message-ID"));
}

#[test]
fn a_mail_that_was_lost_with_its_server_arrives_once() {
    let Some(mails) = server_dies(Cut::BeforeTheEnd, "died-before") else { return };
    assert_eq!(mails.len(), 1);
}
