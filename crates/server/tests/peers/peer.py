"""A peer of a shop that shares no code with it: it reads and publishes through a broker with the usual Python client.

Usage: peer.py kafka://HOST:PORT|amqp://HOST:PORT COMMAND TOPIC

  prepare  See to it that what is published to the topic from now on can be read.
  read     Print every message that the topic has, as a line of JSON each, and consume none of them.
  publish  Publish the messages of the standard input, a line of JSON each, and wait until the broker has them.

A message has `key`, `headers` and `body`; over AMQP also `routing_key` and `properties`. A value of a header, a key and
a body is a text, or {"base64": "..."} for other bytes; over AMQP a header may be a number or {"time": SECONDS}, too. A
message with `count` is published that many times.
"""

import base64
import datetime
import json
import sys

# How long a broker may take to answer, in seconds.
ANSWER_WAIT = 60

MESSAGE_BYTES_MAX = 20_000_000


def decoded(value):
    """A value of a message as the client takes it."""
    if isinstance(value, dict) and "base64" in value:
        return base64.b64decode(value["base64"])
    if isinstance(value, dict):
        return datetime.datetime.fromtimestamp(value["time"], datetime.timezone.utc)
    return value


def shown(value):
    """The same for JSON."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    return value


class Kafka:
    def __init__(self, address):
        self.settings = {"bootstrap.servers": address}

    def prepare(self, topic):
        """A log keeps what it has: nothing has to be prepared."""

    def read(self, topic):
        from confluent_kafka import Consumer, KafkaException, TopicPartition

        def bounds(partition):
            # A topic that was just created has no leader for a moment.
            for _ in range(2 * ANSWER_WAIT):
                try:
                    return consumer.get_watermark_offsets(partition, timeout=ANSWER_WAIT)
                except KafkaException as error:
                    last = error
                    consumer.poll(0.5)
            raise last

        consumer = Consumer({**self.settings, "group.id": "peer", "enable.auto.commit": False})
        try:
            partitions = consumer.list_topics(timeout=ANSWER_WAIT).topics.get(topic)
            for number in partitions.partitions if partitions else ():
                first, end = bounds(TopicPartition(topic, number))
                consumer.assign([TopicPartition(topic, number, first)])
                while first < end:
                    message = consumer.poll(ANSWER_WAIT)
                    if message is None or message.error():
                        raise SystemExit(f"{topic} cannot be read: {message and message.error()}")
                    first = message.offset() + 1
                    headers = {name: shown(value) for name, value in message.headers() or ()}
                    yield {"key": shown(message.key()), "headers": headers, "body": shown(message.value())}
        finally:
            consumer.close()

    def publish(self, topic, messages):
        from confluent_kafka import Producer

        # What is too large is refused by the broker, not here.
        ours = {"partitioner": "murmur2_random", "enable.idempotence": True, "message.max.bytes": MESSAGE_BYTES_MAX}
        producer = Producer({**self.settings, **ours})
        for _ in range(2 * ANSWER_WAIT):
            # The shop creates the topic.
            if topic in producer.list_topics(timeout=ANSWER_WAIT).topics:
                break
            producer.poll(0.5)
        failed = []

        def delivered(error, _):
            if error:
                failed.append(str(error))

        for message in messages:
            headers = [(name, decoded(value)) for name, value in message.get("headers", {}).items()]
            for _ in range(message.get("count", 1)):
                key, value = decoded(message.get("key")), decoded(message.get("body"))
                while True:
                    try:
                        producer.produce(topic, key=key, value=value, headers=headers, on_delivery=delivered)
                        break
                    except BufferError:
                        producer.poll(0.1)
        left = producer.flush(ANSWER_WAIT)
        if failed or left:
            raise SystemExit(f"{len(failed)} messages were refused and {left} not answered: {failed[:1]}")


class RabbitMq:
    def __init__(self, address):
        import pika

        self.pika = pika
        host, port = address.split(":")
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(host, int(port), heartbeat=0))
        self.channel = self.connection.channel()

    def prepare(self, topic):
        """An exchange keeps nothing: this peer has a queue of its own for it."""
        self.channel.exchange_declare(topic, "topic", durable=True)
        self.channel.queue_declare(f"peer.{topic}", durable=True, arguments={"x-queue-type": "quorum"})
        self.channel.queue_bind(f"peer.{topic}", topic, "#")

    def read(self, topic):
        while True:
            # Without an acknowledgement everything goes back when the connection ends.
            method, properties, body = self.channel.basic_get(f"peer.{topic}")
            if method is None:
                return
            headers = {name: shown(value) for name, value in (properties.headers or {}).items()}
            headers.pop("x-delivery-count", None)
            names = ("content_type", "message_id", "delivery_mode")
            yield {
                "key": headers.pop("x-tradewind-key", None),
                "headers": headers,
                "body": shown(body),
                "routing_key": method.routing_key,
                "properties": {name: getattr(properties, name) for name in names},
            }

    def publish(self, topic, messages):
        for message in messages:
            headers = {name: decoded(value) for name, value in message.get("headers", {}).items()}
            if message.get("key") is not None:
                headers["x-tradewind-key"] = decoded(message["key"])
            properties = self.pika.BasicProperties(headers=headers, delivery_mode=2, **message.get("properties", {}))
            body, routing_key = decoded(message.get("body") or ""), message.get("routing_key", "")
            for _ in range(message.get("count", 1)):
                self.channel.basic_publish(topic, routing_key, body, properties)
        # The broker closes a channel in the order of what comes, so this answer is behind all of them.
        self.channel.queue_declare("", exclusive=True)


def main():
    address, command, topic = sys.argv[1:]
    scheme, _, place = address.partition("://")
    peer = {"kafka": Kafka, "amqp": RabbitMq}[scheme](place)
    if command == "prepare":
        peer.prepare(topic)
    elif command == "read":
        for message in peer.read(topic):
            print(json.dumps(message), flush=True)
    elif command == "publish":
        peer.publish(topic, [json.loads(line) for line in sys.stdin])
    else:
        raise SystemExit(__doc__)


main()
