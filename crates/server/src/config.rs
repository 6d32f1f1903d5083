//! Every setting, in one place. Each has one name: `reservation_ttl` is the flag `--reservation-ttl`, the environment
//! variable `TRADEWIND_RESERVATION_TTL` and the key `reservation_ttl` of a configuration file, in this precedence.
//! Secrets have no flag: a command line is seen by everybody on a machine.

mod bounds;
mod layers;
mod secrets;
mod setting;
mod show;
mod split;
mod value;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tracing_subscriber::filter::Targets;
use tradewind_events::{Currency, Id};
use tradewind_notifications::model::Delivery;
use tradewind_workers::provider::AmountRules;

pub use layers::{Flags, Layers};
pub use secrets::{SecretsError, is_exposed};
pub use setting::{ConfigError, Origin, Setting};
pub use split::{BrokerKind, BrokerUrl, KafkaSasl, ServiceNames};
pub use value::{Headers, LogFormat, Password, Ratio, Secret, Size, SmtpTls};

use setting::{Source, settings};
use value::Value;

settings! {
    "Store" {
        /// The file that the shop is kept in; it is made when there is none.
        store: PathBuf = "tradewind.db";
        /// What the store may grow to; beyond it nothing more is taken in. Unlimited when empty.
        store_size_max: Option<Size> = "";
        /// The file with secrets that are given nowhere else; it is made when there is none. Default: the store's name with `.secrets` after it.
        secrets_file: Option<PathBuf> = "";
    }
    "HTTP" {
        /// Where requests are heard.
        listen: SocketAddr = "127.0.0.1:8080";
        /// The certificate chain for TLS, PEM. Without it and its key the shop speaks plain HTTP.
        tls_certificate: Option<PathBuf> = "";
        /// The private key of the certificate, PEM.
        tls_key: Option<PathBuf> = "";
        /// Proxies whose X-Forwarded-For is believed.
        trusted_proxies: Vec<IpAddr> = "";
        /// Where `/healthz`, `/readyz` and `/metrics` are served besides, in plain HTTP, with connections of their own. Nowhere when empty.
        probe_listen: Option<SocketAddr> = "";
        /// Web origins whose pages may call the API from a browser (CORS): `https://shop.example`, or `*` for all. None when empty.
        cors_origins: Vec<Arc<str>> = "";
        /// Connections at the same time, as far as the limit on open files allows. A new one displaces an idle one of the address that holds the most.
        connections_max: usize = "4096";
        /// Requests at the same time; more are refused with 503.
        requests_max: usize = "1024";
        /// Requests that wait for an outcome (`Prefer: wait`) at the same time; more are answered without waiting.
        waits_max: usize = "1024";
        /// Event streams at the same time; more are refused with 503.
        streams_max: usize = "1024";
        /// The share of connections, requests, waits, streams and password checks that one address, and one user or service client, may hold. 1: all of them.
        caller_share: Ratio = "0.25";
        /// How long a client may take to send the head of a request.
        head_timeout: Duration = "10s";
        /// How long a client may take to send the body of a request.
        body_timeout: Duration = "20s";
        /// The longest pause between two pieces of a body.
        body_pause_max: Duration = "5s";
        /// How long a client may leave an answer unread: in this time it takes all that waits for it, or at least 64 KiB.
        answer_timeout: Duration = "30s";
        /// How long a connection may stay idle between two requests.
        keep_alive_timeout: Duration = "75s";
        /// How long a request may take in all, its body included.
        request_timeout: Duration = "30s";
        /// The longest that `Prefer: wait=N` is followed; less than the request timeout.
        wait_max: Duration = "20s";
        /// The largest body of a request.
        body_max: Size = "1MiB";
        /// Requests a second of one user, client or address, in the long run. 0: no limit.
        rate_per_second: u32 = "200";
        /// Requests that one of them may make at once, before the rate counts.
        rate_burst: u32 = "400";
        /// The same, for signing in and everything else that tries or hashes a secret, by address. 0: no limit.
        secret_rate_per_second: u32 = "10";
        /// Tries that one address may make at once.
        secret_rate_burst: u32 = "50";
        /// How long a stop waits for requests that are being answered.
        shutdown_grace: Duration = "20s";
    }
    "Split" {
        /// The services that this process runs; all nine when empty. With fewer it needs `broker` and `peers`. A store keeps its services.
        services: ServiceNames = "";
        /// The peers file: all processes of a split shop with their URLs and services. Every process and the gateway read the same file.
        peers: Option<PathBuf> = "";
        /// The broker between the processes: `kafka://HOST:PORT,HOST:PORT`, or `amqp://HOST:PORT/VHOST` for RabbitMQ; over TLS `kafkas://` and `amqps://`. A user stands before the host: `amqps://shop@HOST`. Needs a build with the cargo feature `kafka` (with TLS or a user `kafka-tls`) or `rabbitmq`; `tradewind --version` lists those of a build.
        broker: Option<BrokerUrl> = "";
        /// The password of the user in the URL of the broker. Without a user, RabbitMQ knows a process as `guest`.
        broker_password: Option<Password> = "";
        /// Certificates of brokers that are trusted besides those of the system, PEM.
        broker_trusted: Option<PathBuf> = "";
        /// What the names of topics, exchanges, queues and consumer groups begin with. The same in all processes of a shop.
        broker_prefix: Arc<str> = "tradewind";
        /// How the user of the broker signs in to Kafka: plain, scram-sha-256 or scram-sha-512.
        kafka_sasl: KafkaSasl = "scram-sha-512";
        /// Partitions of a Kafka topic that the shop creates. An existing topic keeps its own.
        kafka_partitions: u32 = "12";
        /// Replicas of a Kafka topic that the shop creates; an existing topic must have at least as many.
        kafka_replicas: u32 = "3";
        /// Replicas that must have an event before Kafka acknowledges it (`min.insync.replicas`); at most `kafka_replicas`.
        kafka_replicas_in_sync: u32 = "2";
        /// How long Kafka keeps events (`retention.ms`). A store that is down for longer misses events.
        kafka_retention: Duration = "6days";
        /// How long Kafka writes to one segment (`segment.ms`). The inbox remembers events for the retention and this.
        kafka_segment: Duration = "1day";
    }
    "Gateway" {
        /// How long a gateway tries to connect to a peer.
        peer_connect_timeout: Duration = "2s";
        /// Connections of a gateway to each peer, as far as the limit on open files allows; each request under way takes one. More requests are refused with 503.
        peer_connections_max: usize = "2048";
        /// The longest pause between two pieces of an answer of a peer. An event stream says something every 15 seconds.
        peer_pause_max: Duration = "1m";
    }
    "Shop" {
        /// What the shop sells in.
        currency: Currency = "EUR";
        /// Off the items of every order, in basis points: 500 is 5 %.
        discount_bp: u32 = "0";
        /// On top of every order, in minor units.
        shipping_minor: i64 = "0";
        /// On top of what no category says otherwise, in basis points.
        tax_bp: u32 = "0";
        /// Tax by category, in basis points: books=700,food=700.
        category_tax_bp: BTreeMap<Id, u32> = "";
        /// The largest price or total, in minor units.
        amount_minor_max: i64 = "9007199254740991";
        /// How long stock is held unpaid.
        reservation_ttl: Duration = "15m";
        /// What is not confirmed by then is cancelled; no less than the reservation TTL.
        order_deadline: Duration = "30m";
        /// Unpaid orders (by card or external payment) that a customer may have at once. Orders that staff or a service client places have no such bound.
        unpaid_orders_max: usize = "20";
        /// Take customers whom identity does not know: those of another system. Else a credit or an order for an unknown customer is refused.
        foreign_customers: bool = "false";
        /// How long a cart is kept that nobody touches.
        cart_ttl: Duration = "30days";
        /// How long a signed cart can be placed.
        snapshot_ttl: Duration = "15m";
        /// The countries that are shipped to, as addresses write them. Everywhere when empty.
        ship_to: Vec<Arc<str>> = "";
        /// How soon a payment provider who has not decided is asked again.
        provider_wait_min: Duration = "30s";
        /// How long the waits between may grow.
        provider_wait_max: Duration = "1h";
    }
    "Payment provider" {
        /// The file of the built-in payment provider, which is a simulator: no money moves. Default: the store's name with `.provider` after it.
        provider_store: Option<PathBuf> = "";
        /// What it does with an amount by its last two digits: ``61=declined,62=timeout_charged``. Everything goes well when empty.
        provider_rules: AmountRules = "";
        /// How long it takes for what it is to do late.
        provider_late_after: Duration = "5s";
        /// Where it calls back, plain HTTP: a path of this shop behind another address. The shop's own address when empty.
        provider_callback_url: Option<Arc<str>> = "";
    }
    "Mail" {
        /// How mail leaves the shop.
        delivery: Delivery = "log";
        /// How the shop signs what it sends.
        shop_name: Arc<str> = "The shop";
        /// Who is told about low stock. Nobody when empty.
        staff_email: Option<Arc<str>> = "";
        /// How long a notification waits for a customer whose address is not known yet.
        contact_wait: Duration = "1h";
        /// The mail server, for `delivery = "smtp"`.
        smtp_host: Arc<str> = "localhost";
        /// Its port.
        smtp_port: u16 = "25";
        /// Whether the connection to it is encrypted: none, starttls or tls.
        smtp_tls: SmtpTls = "starttls";
        /// Who the shop is to the mail server. Nobody when empty.
        smtp_user: Option<Arc<str>> = "";
        /// The password of that user.
        smtp_password: Option<Password> = "";
        /// Certificates that are trusted besides those of the system, PEM.
        smtp_trusted: Option<PathBuf> = "";
        /// How the shop introduces itself to the mail server: the name of its machine.
        smtp_hello: Arc<str> = "localhost";
        /// Where mails are put with `delivery = "log"`, one file each. They go nowhere when empty.
        mail_folder: Option<PathBuf> = "";
        /// The sender of every mail.
        mail_from: Arc<str> = "shop@localhost";
        /// The page that a link in a mail leads to: `?token=…` is put after it.
        mail_link: Arc<str> = "http://127.0.0.1:8080/docs";
    }
    "Identity" {
        /// Memory that hashing one password takes (argon2id).
        password_memory: Size = "19MiB";
        /// How often hashing goes over that memory.
        password_passes: u32 = "2";
        /// Passwords that are hashed at the same time.
        password_threads: usize = "2";
        /// Requests that may wait for their password to be hashed; more are refused with 503.
        password_queue_max: usize = "64";
        /// The shortest password that is taken, in characters.
        password_chars_min: usize = "10";
        /// Wrong passwords in a row that lock an account for a while.
        sign_in_failures_max: u32 = "5";
        /// Wrong passwords count together for so long.
        sign_in_failure_window: Duration = "15m";
        /// How long an account is locked.
        sign_in_lockout: Duration = "15m";
        /// How long a session lasts, however often it is refreshed.
        session_ttl: Duration = "30days";
        /// Open sessions of a user; one more ends the oldest.
        sessions_max: usize = "20";
        /// A refresh token may be used again for so long, if the answer to its first use was lost.
        refresh_grace: Duration = "10s";
        /// How long an access token is good.
        access_token_ttl: Duration = "10m";
        /// Who issues access tokens: their `iss` and `aud`.
        token_issuer: Arc<str> = "tradewind";
        /// How far the clocks of those who check tokens may differ.
        clock_skew: Duration = "30s";
        /// How old a signing key becomes before the next one takes its place.
        signing_key_age_max: Duration = "30days";
        /// How long the link in a verification mail works.
        verification_ttl: Duration = "1day";
        /// How long the link in a reset mail works.
        password_reset_ttl: Duration = "1h";
        /// How long the token for the first admin works.
        first_admin_ttl: Duration = "1day";
        /// A user is sent at most one mail of a kind in this time.
        identity_mail_interval: Duration = "1m";
    }
    "Engine" {
        /// Requests and events that one commit takes in.
        batch_messages_max: usize = "1024";
        /// Requests that wait for a commit; more are refused with 503.
        intake_max: usize = "8192";
        /// Rows that are kept in memory, in bytes.
        cache_size: Size = "64MiB";
        /// Messages that may be parked; with more nothing is taken in.
        parked_max: usize = "100000";
        /// A parked message is a dead letter after this.
        park_deadline: Duration = "1h";
        /// An operator owes a decision on a job after so many tries.
        job_attempts_max: u32 = "12";
        /// Jobs of one kind (mails; calls of the payment provider) at the same time: a kind that hangs leaves the others theirs.
        jobs_running_max: usize = "32";
        /// A service whose dead letters have more unrelated causes than this within a minute is paused.
        dead_letters_a_minute_max: u32 = "100";
        /// How long the answer under an Idempotency-Key is kept.
        idempotency_kept: Duration = "1day";
        /// A jump of the wall clock ahead beyond this is not adopted: deadlines are held until an operator confirms it or it comes back.
        clock_jump_max: Duration = "1h";
        /// Connections that read the store. One address, user or service client leaves one of them to others, unless `caller_share` is 1.
        readers_max: usize = "4";
    }
    "Log" {
        /// What is logged.
        log: Targets = "info";
        /// How it looks: auto is human on a terminal and JSON elsewhere.
        log_format: LogFormat = "auto";
    }
    "Traces" {
        /// The collector that traces go to, by OTLP over HTTP (protobuf): `http://127.0.0.1:4318`; `/v1/traces` is put after it. Nothing is traced when empty.
        traces_endpoint: Option<Arc<str>> = "";
        /// How many of the traces that begin here are kept. A request that comes with a `traceparent` is kept if that says so.
        traces_ratio: Ratio = "1";
        /// What goes with every request to the collector, such as a key of its owner; `%2C` is a comma, `%3D` an equals sign, `%20` a blank.
        traces_headers: Option<Headers> = "";
        /// Certificates of collectors that are trusted besides those of the system, PEM.
        traces_trusted: Option<PathBuf> = "";
        /// What the shop is called in traces: their `service.name`.
        traces_service: Arc<str> = "tradewind";
        /// Steps that wait to be sent; more are dropped, counted and told in the log.
        traces_queue_max: usize = "16384";
        /// How often what waits is sent; 512 steps are sent at once.
        traces_interval: Duration = "5s";
        /// How long the collector may take for an answer, and for what is left at a stop.
        traces_timeout: Duration = "10s";
    }
    "Secrets" {
        /// Encrypts signing keys in the store; other keys are derived from it.
        master_key: Option<Secret> = "";
        /// Signs carts on their way to an order.
        cart_secret: Option<Secret> = "";
        /// The payment provider signs its callbacks with it.
        provider_secret: Option<Secret> = "";
    }
}

impl Config {
    /// Reads the configuration; the error lists everything that is wrong with it.
    pub fn load(layers: &Layers) -> Result<Self, Vec<ConfigError>> {
        let config = Self::collect(layers)?;
        config.check_bounds()?;
        Ok(config)
    }

    /// Where the value of a setting comes from.
    pub fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).unwrap_or(&Origin::Default)
    }
}
