//! What each command teaches.

use super::{End, Lesson};

const READS: &str = "Read only. The shop may run or not; it is not disturbed.";
const WRITES: &str = "Written, so no server may run on it meanwhile.";
const NO_STORE: &str = "Not touched.";
const ASKS: &str = "Read only, through the shop that runs on it.";
const CHANGES: &str = "Changed by the shop that runs on it. It stands in the audit trail who did it.";

const THE_FILE: &str =
    "The file of the shop, and the right to write beside it: SQLite keeps files there while it reads.";
const STAFF: &str = "A shop that runs (--url), and somebody of its staff: an access token in TRADEWIND_TOKEN, or \
                     TRADEWIND_EMAIL and TRADEWIND_PASSWORD. Secrets have no flag.";
const NOTHING: &str = "Nothing.";

const USAGE: End = (2, "the command line or the configuration cannot be used");
const STORE: End = (3, "the store cannot be opened, read or written");
const READ: &[End] = &[(0, "done"), USAGE, STORE];
const ASKED: &[End] = &[
    (0, "done"),
    (1, "the shop cannot be reached, or has refused it"),
    (2, "the command line cannot be used, or nothing says who asks"),
];
const PRINTED: &[End] = &[(0, "done"), USAGE];

/// Of every command, in the order of `--help`.
pub const LESSONS: &[Lesson] = &[
    Lesson {
        command: "serve",
        store: "Made if it is not there, brought up to date, and owned: one process at a time.",
        needs: "A folder that it may write to, and a free port.",
        examples: &[
            ("everything on tradewind.db and 127.0.0.1:8080", "tradewind serve"),
            ("for others, on a file of its own", "tradewind serve --store /srv/shop.db --listen 0.0.0.0:8080"),
            ("with settings from a file", "tradewind serve --config shop.toml"),
        ],
        ends: &[
            (0, "stopped by SIGINT or SIGTERM; what was accepted is done"),
            (1, "it cannot listen, or cannot be prepared"),
            USAGE,
            (3, "the store cannot be opened, or failed while the shop ran"),
        ],
    },
    Lesson {
        command: "gateway",
        store: NO_STORE,
        needs: "A peers file with all processes of the shop, and a free port.",
        examples: &[
            ("one address for a shop that is split", "tradewind gateway --peers peers.toml"),
            (
                "for others, with TLS",
                "tradewind gateway --peers peers.toml --listen 0.0.0.0:443 \\\n    --tls-certificate chain.pem --tls-key key.pem",
            ),
        ],
        ends: &[(0, "stopped by SIGINT or SIGTERM; requests under way are answered"), (1, "it cannot listen"), USAGE],
    },
    Lesson {
        command: "demo",
        store: "A new one, which it leaves behind for you to look at.",
        needs: NOTHING,
        examples: &[
            ("see everything, then look around", "tradewind demo"),
            ("only the proof, for a script", "tradewind demo --once --orders 500 --listen 127.0.0.1:0"),
            (
                "a new shop that runs, such as a split one behind its gateway",
                "TRADEWIND_FIRST_ADMIN_TOKEN=$TOKEN tradewind demo --url http://gateway",
            ),
        ],
        ends: &[
            (0, "every order ended as it should, and the audit is clean"),
            (1, "something did not go as told; it says what"),
            USAGE,
            STORE,
        ],
    },
    Lesson {
        command: "load",
        store: "Changed by the shop that runs on it: products, customers and orders are made that stay. No shop of yours.",
        needs: STAFF,
        examples: &[
            ("as many as go", "tradewind load --orders 40000"),
            ("a steady rate, for latencies that can be believed", "tradewind load --orders 10000 --rate 500"),
            ("everybody wants the same", "tradewind load --skus 1"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "verify",
        store: "Read only: it audits copies that it makes beside the stores and removes. The shop may run or not.",
        needs: "The files of the shop, and room beside each for a copy.",
        examples: &[
            ("the shop in this folder", "tradewind verify"),
            ("a backup", "tradewind verify --store copy.db"),
            ("a shop that is split over two stores", "tradewind verify --store orders.db --store stock.db"),
            ("the violations alone, for a script", "tradewind verify --json | jq '.checks[] | select(.violated > 0)'"),
        ],
        ends: &[
            (0, "all ten invariants hold, and nothing is owed"),
            (1, "an invariant is violated, or an operator owes something; both are listed"),
            (2, "the command line or the configuration cannot be used, or the stores are not those of one shop"),
            (3, "a store cannot be opened, copied or read: nothing was judged"),
        ],
    },
    Lesson {
        command: "story",
        store: READS,
        needs: "The file of the shop, and the right to write beside it. With --url a shop or a gateway that runs, and \
                somebody of its staff in TRADEWIND_TOKEN, or in TRADEWIND_EMAIL and TRADEWIND_PASSWORD.",
        examples: &[
            ("one order", "tradewind story 01a1fdc8-1e55-75f3-aa96-92fa4a72b689"),
            (
                "the same of a shop that is split, from all of its stores",
                "tradewind story 01a1fdc8-1e55-75f3-aa96-92fa4a72b689 \\\n    --url http://gateway:8080",
            ),
            (
                "one order of a shop that is split over two stores",
                "tradewind story 01a1fdc8-1e55-75f3-aa96-92fa4a72b689 \\\n    --store orders.db --store stock.db",
            ),
            (
                "the last order that was rejected",
                "tradewind events --type order.rejected -n 1 --json \\\n    | jq -r .partitionkey | xargs tradewind story",
            ),
        ],
        ends: &[(0, "done"), (1, "there is no such order, or the shop cannot be reached"), USAGE, STORE],
    },
    Lesson {
        command: "events",
        store: READS,
        needs: THE_FILE,
        examples: &[
            ("the last fifty", "tradewind events"),
            ("payments as they come", "tradewind events --follow --type 'payment.*'"),
            ("everything about one order", "tradewind events --key ORDER -n 1000"),
            ("everything that followed from one request", "tradewind events --correlation REQUEST_ID"),
            ("all of it, for another program", "tradewind events --from 1 -n 1000000000 --json > events.jsonl"),
        ],
        ends: READ,
    },
    Lesson {
        command: "dead-letters list",
        store: ASKS,
        needs: STAFF,
        examples: &[
            ("what waits for a decision", "tradewind dead-letters list"),
            ("those of one service", "tradewind dead-letters list --consumer shipping"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "dead-letters show",
        store: ASKS,
        needs: STAFF,
        examples: &[
            ("why it died, and its message without what is personal", "tradewind dead-letters show ID"),
            (
                "the message as it came, to be edited",
                "tradewind dead-letters show ID --message --reason \"ticket 17\" > message.json",
            ),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "dead-letters redrive",
        store: CHANGES,
        needs: STAFF,
        examples: &[
            ("which would be sent", "tradewind dead-letters redrive --all --dry-run"),
            ("all of one service, ten a second", "tradewind dead-letters redrive --consumer shipping --rate 10"),
            ("one", "tradewind dead-letters redrive ID"),
        ],
        ends: &[
            (0, "all of them were taken"),
            (1, "some were not, or the shop cannot be reached"),
            (2, "the command line cannot be used, or nothing says who asks"),
        ],
    },
    Lesson {
        command: "dead-letters edit",
        store: CHANGES,
        needs: STAFF,
        examples: &[(
            "mend a message and send it",
            "tradewind dead-letters show ID --message --reason \"ticket 17\" > message.json\n$EDITOR message.json\n\
             tradewind dead-letters edit ID --message message.json",
        )],
        ends: &[
            (0, "the edit was handled"),
            (1, "it died too, or the shop cannot be reached or has refused it"),
            (2, "the command line cannot be used, or nothing says who asks"),
        ],
    },
    Lesson {
        command: "dead-letters discard",
        store: CHANGES,
        needs: STAFF,
        examples: &[(
            "with the reason for the audit trail",
            "tradewind dead-letters discard ID --reason 'sent by hand'",
        )],
        ends: ASKED,
    },
    Lesson {
        command: "sagas",
        store: ASKS,
        needs: STAFF,
        examples: &[
            ("every order that waits for a step", "tradewind sagas"),
            ("what seems to be stuck", "tradewind sagas --waiting 5m"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "owed list",
        store: ASKS,
        needs: STAFF,
        examples: &[("money and jobs", "tradewind owed list")],
        ends: ASKED,
    },
    Lesson {
        command: "owed pay-out",
        store: CHANGES,
        needs: STAFF,
        examples: &[("a deleted customer got 12.50 EUR by bank transfer", "tradewind owed pay-out CUSTOMER EUR 1250")],
        ends: ASKED,
    },
    Lesson {
        command: "owed retry",
        store: CHANGES,
        needs: STAFF,
        examples: &[
            ("let go of the hold of an order", "tradewind owed retry ORDER"),
            ("a refund of it", "tradewind owed retry ORDER --refund ID"),
            ("a job", "tradewind owed retry --job ID"),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "owed settle",
        store: CHANGES,
        needs: STAFF,
        examples: &[
            ("the money was sent back by hand", "tradewind owed settle ORDER --refund ID"),
            (
                "the provider's books say that nothing is held",
                "echo '{\"state\": \"nothing_held\", \"amount_minor\": 0}' > reply.json\n\
                 tradewind owed settle --job ID --reply reply.json --reason 'its books'",
            ),
        ],
        ends: ASKED,
    },
    Lesson {
        command: "parked",
        store: ASKS,
        needs: STAFF,
        examples: &[("what waits, and for what", "tradewind parked")],
        ends: ASKED,
    },
    Lesson {
        command: "parked retry",
        store: CHANGES,
        needs: STAFF,
        examples: &[("without waiting for its time", "tradewind parked retry ID")],
        ends: ASKED,
    },
    Lesson {
        command: "consumers list",
        store: ASKS,
        needs: STAFF,
        examples: &[("what is paused and why, and how much waits", "tradewind consumers list")],
        ends: ASKED,
    },
    Lesson {
        command: "consumers pause",
        store: CHANGES,
        needs: STAFF,
        examples: &[(
            "before the mail server goes",
            "tradewind consumers pause notifications --reason 'the mail server moves'",
        )],
        ends: ASKED,
    },
    Lesson {
        command: "consumers resume",
        store: CHANGES,
        needs: STAFF,
        examples: &[("when it is back", "tradewind consumers resume notifications")],
        ends: ASKED,
    },
    Lesson {
        command: "consumers skip-gaps",
        store: CHANGES,
        needs: STAFF,
        examples: &[(
            "when it is known what the missing events mean",
            "tradewind consumers skip-gaps broker --reason 'kept for two days only'",
        )],
        ends: ASKED,
    },
    Lesson {
        command: "admin create",
        store: "Changed: by the shop that runs on it, or directly where none does.",
        needs: "The password of the new admin in TRADEWIND_PASSWORD, or a terminal to ask on. Where a shop runs, its \
                first-admin token in TRADEWIND_FIRST_ADMIN_TOKEN, or the access token of an admin in TRADEWIND_TOKEN.",
        examples: &[
            ("asks for the password", "tradewind admin create --email you@example.org"),
            ("for a script", "TRADEWIND_PASSWORD=… tradewind admin create --email you@example.org"),
        ],
        ends: &[(0, "done"), (1, "it was refused, or the shop cannot be reached"), USAGE, STORE],
    },
    Lesson {
        command: "admin list",
        store: READS,
        needs: THE_FILE,
        examples: &[("who is an admin", "tradewind admin list")],
        ends: READ,
    },
    Lesson {
        command: "rebuild",
        store: WRITES,
        needs: "The file of the shop, with the whole event log in it, and memory for the read models.",
        examples: &[
            ("does it need to be done?", "tradewind verify"),
            ("what would be written", "tradewind rebuild --dry-run"),
            ("do it: stop the shop, rebuild, start the shop", "tradewind rebuild"),
        ],
        ends: &[
            (0, "done"),
            (1, "an event of the log could not be taken in"),
            USAGE,
            (3, "a shop runs on the store, or it cannot be opened, read or written"),
        ],
    },
    Lesson {
        command: "backup",
        store: READS,
        needs: "The file of the shop, and room for its copy.",
        examples: &[
            ("the secrets are kept apart", "tradewind backup copy.db && cp -p tradewind.db.secrets copy.db.secrets"),
            (
                "one a day, checked",
                "day=\"shop-$(date +%F).db\"\ntradewind backup \"$day\" && tradewind verify --store \"$day\"",
            ),
        ],
        ends: &[
            (0, "the copy is there, whole and checked"),
            USAGE,
            (3, "the store cannot be opened or read, or the copy cannot be written: there is none"),
        ],
    },
    Lesson {
        command: "simulate",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[
            ("a thousand shops, from seed 1 on", "tradewind simulate"),
            ("more of them, from elsewhere", "tradewind simulate --seeds 100000 --from 1000000"),
            ("one that failed, step by step", "tradewind simulate --from 4711 --seeds 1 --trace"),
        ],
        ends: &[
            (0, "every seed has come to rest, and all was well"),
            (1, "a seed has failed; it tells its story"),
            USAGE,
        ],
    },
    Lesson {
        command: "explore",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[
            ("every way of paying, a million situations each", "tradewind explore"),
            ("one of them to the end", "tradewind explore --method card --case plain --faults 0 --exhaust"),
            ("what a handler is for", "tradewind explore --method balance --without shipping:order.cancel_requested"),
        ],
        ends: &[
            (0, "in every situation that was met all was as it must be"),
            (1, "in one it was not; the shortest way there is told"),
            USAGE,
        ],
    },
    Lesson {
        command: "contracts check",
        store: NO_STORE,
        needs: "The folder of the pack, or the name of one that is built in.",
        examples: &[
            ("every pack that is built in", "tradewind contracts check"),
            ("a pack of your own", "tradewind contracts check ./contracts/mine"),
        ],
        ends: &[(0, "every pack is whole"), (1, "a pack has faults; each is listed with file and line"), USAGE],
    },
    Lesson {
        command: "contracts translate",
        store: NO_STORE,
        needs: "One message on standard input.",
        examples: &[
            ("what a message means", "tradewind contracts translate stocklet order.state.created --hex < order.hex"),
            ("what an event becomes", "tradewind contracts translate native tradewind.orders --export < event.json"),
        ],
        ends: &[(0, "translated"), (1, "it cannot be, and why; or the pack has faults"), USAGE],
    },
    Lesson {
        command: "contracts new",
        store: NO_STORE,
        needs: "A folder that does not exist yet, and the right to make it.",
        examples: &[("a pack to begin with", "tradewind contracts new mine")],
        ends: &[(0, "the folder is there, and the pack in it is whole"), (1, "it cannot be made"), USAGE],
    },
    Lesson {
        command: "config",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[
            ("what is in force, and why", "tradewind config | grep -B 1 '^order_deadline'"),
            ("a file to begin with", "tradewind config > shop.toml"),
        ],
        ends: PRINTED,
    },
    Lesson {
        command: "openapi",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[("for a generator of clients", "tradewind openapi > openapi.json")],
        ends: PRINTED,
    },
    Lesson {
        command: "completions",
        store: NO_STORE,
        needs: NOTHING,
        examples: &[
            ("for this shell", "source <(tradewind completions bash)"),
            ("for good", "cd ~/.local/share/bash-completion/completions\ntradewind completions bash > tradewind"),
        ],
        ends: PRINTED,
    },
];
