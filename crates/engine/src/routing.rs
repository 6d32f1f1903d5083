//! Which topics a store uses at one broker: where the events of each source are published, and what is subscribed to. The
//! only place where topics are named.

use std::collections::{BTreeMap, BTreeSet};

/// The topics of one broker. A source is a service, or `BRIDGE.ROLE` of a bridge.
///
/// ```
/// # use tradewind_engine::Routing;
/// let routing = Routing::by_source("town").publish("orders", "shop-orders").pass_over("identity").consume(["catalog"]);
/// assert_eq!(routing.topic("payments").as_deref(), Some("town.payments"));
/// assert_eq!(routing.topic("orders").as_deref(), Some("shop-orders"));
/// assert_eq!(routing.topic("identity"), None);
/// assert_eq!(routing.subscribes_to().unwrap(), ["town.catalog"]);
/// assert!(!routing.routes_by_type() && routing.route_by_type().routes_by_type());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// Sources that are not named below have the topic `PREFIX.SOURCE`, or none.
    prefix: Option<String>,
    /// None: passed over.
    named: BTreeMap<String, Option<String>>,
    /// Sources whose topics are subscribed to.
    consumed: BTreeSet<String>,
    /// Other topics that are subscribed to.
    topics: BTreeSet<String>,
    by_type: bool,
}

/// A source is to be consumed that has no topic here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no topic is named for the events of {source_name}")]
pub struct NoTopic {
    pub source_name: String,
}

impl Routing {
    /// Every source has the topic `PREFIX.SOURCE`. What a bridge imports has topics of its own, `PREFIX.BRIDGE.ROLE`: the
    /// other stores of a split shop need it like everything else that is emitted, and who consumes it says so.
    pub fn by_source(prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..Self::default() }
    }

    /// No source has a topic but those that are named with [`Self::publish`].
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The events of this source have this topic.
    #[must_use]
    pub fn publish(mut self, source: impl Into<String>, topic: impl Into<String>) -> Self {
        self.named.insert(source.into(), Some(topic.into()));
        self
    }

    /// The events of this source are not published here: the relay passes over them.
    #[must_use]
    pub fn pass_over(mut self, source: impl Into<String>) -> Self {
        self.named.insert(source.into(), None);
        self
    }

    /// Subscribes to the topics of these sources of other stores.
    #[must_use]
    pub fn consume<S: Into<String>>(mut self, sources: impl IntoIterator<Item = S>) -> Self {
        self.consumed.extend(sources.into_iter().map(Into::into));
        self
    }

    /// Subscribes to a topic, whatever sources it has events of.
    #[must_use]
    pub fn subscribe(mut self, topic: impl Into<String>) -> Self {
        self.topics.insert(topic.into());
        self
    }

    /// Messages carry the type of their event as routing key, and its id as message id: for a broker that routes messages,
    /// as RabbitMQ does. One that keeps logs has no place for either.
    #[must_use]
    pub fn route_by_type(self) -> Self {
        Self { by_type: true, ..self }
    }

    /// As [`Self::route_by_type`].
    pub fn routes_by_type(&self) -> bool {
        self.by_type
    }

    /// The topic of the events of a source; none when they are not published here.
    pub fn topic(&self, source: &str) -> Option<String> {
        match self.named.get(source) {
            Some(topic) => topic.clone(),
            None => self.prefix.as_ref().map(|prefix| format!("{prefix}.{source}")),
        }
    }

    /// The sources whose topics are subscribed to by the names of the sources.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.consumed.iter().map(String::as_str)
    }

    /// Whether something is subscribed to.
    pub fn subscribes(&self) -> bool {
        !self.consumed.is_empty() || !self.topics.is_empty()
    }

    /// The topics that are subscribed to, each once and sorted; none when nothing is received from this broker.
    pub fn subscribes_to(&self) -> Result<Vec<String>, NoTopic> {
        let topic = |source: &String| self.topic(source).ok_or_else(|| NoTopic { source_name: source.clone() });
        let consumed = self.consumed.iter().map(topic).collect::<Result<BTreeSet<String>, NoTopic>>()?;
        Ok(consumed.union(&self.topics).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_published_but_what_is_named() {
        let routing = Routing::nothing().publish("orders", "shop-orders");
        assert_eq!((routing.topic("orders").as_deref(), routing.topic("payments")), (Some("shop-orders"), None));
    }

    #[test]
    fn a_topic_is_subscribed_to_once_and_a_source_without_one_cannot_be_consumed() {
        let routing = Routing::by_source("town").consume(["a", "b", "a"]).subscribe("town.a").subscribe("z");
        assert_eq!(routing.subscribes_to(), Ok(vec!["town.a".to_owned(), "town.b".to_owned(), "z".to_owned()]));
        let none = Routing::by_source("town").pass_over("a").consume(["a"]);
        assert_eq!(none.subscribes_to(), Err(NoTopic { source_name: "a".to_owned() }));
    }
}
