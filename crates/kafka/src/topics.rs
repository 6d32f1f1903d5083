//! Topics: creates those that are missing, and checks those that exist. It changes none.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rdkafka::{
    admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
};
use tradewind_engine::ports::BrokerError;

use crate::{
    KafkaConfig, TopicSettings,
    client::{self, Deadline, Reporting, Reports, broker_error, end, wait},
    config::milliseconds,
};

/// The settings of a topic that are looked at.
const CLEANUP: &str = "cleanup.policy";
const RETENTION: &str = "retention.ms";
const SEGMENT: &str = "segment.ms";
const MIN_INSYNC: &str = "min.insync.replicas";
const MESSAGE_BYTES: &str = "max.message.bytes";

/// How long a topic that was just created may take until the brokers know it: then it is asked for again.
const CREATED_SOON: Duration = Duration::from_millis(20);

/// An administrator's connection, for as long as it is needed.
pub(crate) struct Topics<'a> {
    config: &'a KafkaConfig,
    client: Option<AdminClient<Reporting>>,
    reports: Arc<Reports>,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub name: String,
    pub partitions: i32,
    replication: usize,
    settings: BTreeMap<String, String>,
}

impl<'a> Topics<'a> {
    pub fn connect(config: &'a KafkaConfig) -> Result<Self, BrokerError> {
        client::may_begin()?;
        let reports = Reports::new("administrator");
        let client = AdminClient::from_config_and_context(&config.client(), Reporting(Arc::clone(&reports)));
        let client = client.map_err(|error| broker_error("connecting to Kafka", &error))?;
        Ok(Self { config, client: Some(client), reports })
    }

    /// The topic as it is now; none if it is missing.
    pub fn find(&self, name: &str, deadline: Deadline) -> Result<Option<Topic>, BrokerError> {
        let client = self.client();
        let metadata = client.inner().fetch_metadata(Some(name), self.answer(deadline));
        let metadata = metadata.map_err(|error| self.failed(name, &error))?;
        let found = metadata.topics().iter().find(|topic| topic.name() == name);
        let found = found.ok_or_else(|| BrokerError::Unavailable(format!("no answer about the topic {name}")))?;
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => return Ok(None),
            Some(code) => return Err(self.failed(name, &KafkaError::MetadataFetch(code))),
        }
        let replication = found.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0);
        let partitions = i32::try_from(found.partitions().len()).unwrap_or(i32::MAX);
        let specifier = [ResourceSpecifier::Topic(name)];
        let described = wait(client.describe_configs(&specifier, &self.options(deadline)), deadline);
        let mut described = self.answered(name, described)?;
        let entries = match described.pop() {
            Some(Ok(ConfigResource { entries, .. })) => entries,
            Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) => return Ok(None),
            Some(Err(code)) => return Err(self.failed(name, &KafkaError::AdminOp(code))),
            None => return Err(BrokerError::Unavailable(format!("no answer about the settings of the topic {name}"))),
        };
        let settings = entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect();
        Ok(Some(Topic { name: name.to_owned(), partitions, replication, settings }))
    }

    /// The topic, which is created if it is missing and may be.
    pub fn ensure(&self, name: &str, deadline: Deadline) -> Result<Topic, BrokerError> {
        if let Some(topic) = self.find(name, deadline)? {
            return Ok(topic);
        }
        self.create(name, deadline)?;
        loop {
            if let Some(topic) = self.find(name, deadline)? {
                return Ok(topic);
            }
            if deadline.has_passed() {
                return Err(BrokerError::Unavailable(format!("the topic {name} was created, and is not there yet")));
            }
            std::thread::park_timeout(CREATED_SOON);
        }
    }

    fn create(&self, name: &str, deadline: Deadline) -> Result<(), BrokerError> {
        let settings = &self.config.topics;
        if !settings.create {
            return Err(BrokerError::Refused(format!(
                "the topic {name} does not exist, and this process must not create it: create it, or configure \
                 `create_topics=true`"
            )));
        }
        let retention = milliseconds(settings.retention);
        let segment = milliseconds(settings.segment);
        let (min_insync, bytes) = (settings.min_insync_replicas.to_string(), settings.message_bytes_max.to_string());
        let topic = NewTopic::new(name, settings.partitions, TopicReplication::Fixed(settings.replication))
            .set(CLEANUP, "delete")
            .set(RETENTION, &retention)
            .set(SEGMENT, &segment)
            .set(MIN_INSYNC, &min_insync)
            .set(MESSAGE_BYTES, &bytes);
        let created = wait(self.client().create_topics([&topic], &self.options(deadline)), deadline);
        match self.answered(name, created)?.pop() {
            Some(Ok(_)) => {
                tracing::info!(topic = name, partitions = settings.partitions, "created a topic");
                Ok(())
            }
            // Another process was quicker.
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, RDKafkaErrorCode::InvalidReplicationFactor))) => Err(BrokerError::Refused(format!(
                "the topic {name} cannot be created with {} copies of each partition: start more brokers, or configure \
                 `replication` and `min_insync_replicas`",
                settings.replication
            ))),
            Some(Err((_, code))) => Err(self.failed(name, &KafkaError::AdminOp(code))),
            None => Err(BrokerError::Unavailable(format!("no answer to the creation of the topic {name}"))),
        }
    }

    fn client(&self) -> &AdminClient<Reporting> {
        self.client.as_ref().expect("it is there until it is dropped")
    }

    fn answer(&self, deadline: Deadline) -> Duration {
        self.config.answer_within.min(deadline.left())
    }

    fn options(&self, deadline: Deadline) -> AdminOptions {
        // librdkafka takes no request that must be answered at once.
        let answer = self.answer(deadline).max(Duration::from_millis(1));
        AdminOptions::new().request_timeout(Some(answer)).operation_timeout(Some(answer))
    }

    fn answered<T>(&self, name: &str, answer: Option<Result<T, KafkaError>>) -> Result<T, BrokerError> {
        let answer = answer.unwrap_or(Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)));
        answer.map_err(|error| self.failed(name, &error))
    }

    fn failed(&self, name: &str, error: &KafkaError) -> BrokerError {
        match broker_error(&format!("the topic {name}"), error) {
            BrokerError::Unavailable(reason) => BrokerError::Unavailable(self.reports.explain(&reason)),
            refused @ BrokerError::Refused(_) => refused,
        }
    }
}

/// The thread that serves the client takes a while to end.
impl Drop for Topics<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            end(client, Duration::ZERO);
        }
    }
}

impl Topic {
    /// Whether it loses nothing that is published to it, and takes all of it.
    pub fn check_published(&self, wanted: &TopicSettings) -> Result<(), BrokerError> {
        self.check_cleanup()?;
        if self.replication < usize::try_from(wanted.replication).unwrap_or(0) {
            return Err(self.wrong(&format!(
                "has {} copies of a partition, and `replication` demands {}: add replicas, or configure `replication`",
                self.replication, wanted.replication
            )));
        }
        for (setting, least, option) in [
            (MIN_INSYNC, wanted.min_insync_replicas, "min_insync_replicas"),
            (MESSAGE_BYTES, wanted.message_bytes_max, "message_bytes_max"),
        ] {
            let found = self.number(setting)?;
            if found < i64::from(least) {
                return Err(self.wrong(&format!(
                    "has {setting}={found}, and `{option}` demands {least}: raise it, or configure `{option}`"
                )));
            }
        }
        Ok(())
    }

    /// How long it keeps a message at most: a message is removed with the whole segment that it is in.
    pub fn kept(&self) -> Result<Duration, BrokerError> {
        self.check_cleanup()?;
        let [retention, segment] = [RETENTION, SEGMENT].map(|setting| self.number(setting));
        let (retention, segment) = (retention?, segment?);
        match u64::try_from(retention) {
            Ok(retention) => Ok(Duration::from_millis(retention.saturating_add(u64::try_from(segment).unwrap_or(0)))),
            Err(_) => Err(self.wrong(
                "keeps messages without a limit (retention.ms=-1), so an event could come again after the inbox has \
                 forgotten it: set retention.ms",
            )),
        }
    }

    /// Whether the inbox remembers each of its messages for as long as it can come.
    pub fn check_consumed(&self, inbox_kept: Duration) -> Result<(), BrokerError> {
        let kept = self.kept()?;
        if kept > inbox_kept {
            return Err(self.wrong(&format!(
                "keeps messages for {kept:?} (retention.ms and segment.ms), and the inbox remembers them for \
                 {inbox_kept:?}: lower them, or let the inbox remember longer"
            )));
        }
        Ok(())
    }

    fn check_cleanup(&self) -> Result<(), BrokerError> {
        if self.settings.get(CLEANUP).is_some_and(|policy| policy.contains("compact")) {
            return Err(
                self.wrong("is compacted, which drops all events of a key but the last: set cleanup.policy=delete")
            );
        }
        Ok(())
    }

    fn number(&self, setting: &str) -> Result<i64, BrokerError> {
        let number = self.settings.get(setting).and_then(|value| value.parse().ok());
        number.ok_or_else(|| self.wrong(&format!("does not say what its {setting} is")))
    }

    fn wrong(&self, what: &str) -> BrokerError {
        BrokerError::Refused(format!("the topic {} {what}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(changes: &[(&str, &str)]) -> Topic {
        let settings = [
            (CLEANUP, "delete"),
            (RETENTION, "518400000"),
            (SEGMENT, "86400000"),
            (MIN_INSYNC, "2"),
            (MESSAGE_BYTES, "2097152"),
        ];
        let settings = settings.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Topic { name: "t".to_owned(), partitions: 12, replication: 3, settings: settings.collect() }
    }

    fn reason(result: Result<(), BrokerError>) -> String {
        let Err(BrokerError::Refused(reason)) = result else { panic!("a refusal was expected, not {result:?}") };
        reason
    }

    #[test]
    fn a_topic_that_would_lose_messages_is_refused_with_what_to_do() {
        let wanted = TopicSettings::default();
        assert_eq!(topic(&[]).check_published(&wanted), Ok(()));
        for (change, says) in [
            ((CLEANUP, "compact,delete"), "cleanup.policy=delete"),
            ((MIN_INSYNC, "1"), "min.insync.replicas=1"),
            ((MESSAGE_BYTES, "1048588"), "`message_bytes_max` demands 2097152"),
        ] {
            let reason = reason(topic(&[change]).check_published(&wanted));
            assert!(reason.starts_with("the topic t ") && reason.contains(says), "{reason}");
        }
        let one_copy = Topic { replication: 1, ..topic(&[]) };
        assert!(reason(one_copy.check_published(&wanted)).contains("`replication` demands 3"));
    }

    #[test]
    fn a_topic_that_outlives_the_inbox_is_refused() {
        let week = Duration::from_hours(7 * 24);
        assert_eq!(topic(&[]).kept(), Ok(week));
        assert_eq!(topic(&[]).check_consumed(week), Ok(()));
        for (change, says) in [
            ((RETENTION, "-1"), "retention.ms=-1"),
            ((CLEANUP, "compact"), "compacted"),
            ((SEGMENT, "86400001"), "the inbox remembers"),
        ] {
            let reason = reason(topic(&[change]).check_consumed(week));
            assert!(reason.contains(says), "{reason}");
        }
    }
}
