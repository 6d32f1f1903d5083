-- The money of orders: prepaid accounts, the books in double entry, one payment an order, its refunds, and surplus.

-- Prepaid accounts. The balance is credits less debits; held money has left it for house/held.
CREATE TABLE account (
    customer_id    ANY NOT NULL,
    currency       TEXT NOT NULL CHECK (length(currency) = 3),
    state          TEXT NOT NULL,
    debits_minor   INTEGER NOT NULL CHECK (debits_minor >= 0),
    credits_minor  INTEGER NOT NULL CHECK (credits_minor >= debits_minor),
    entries        INTEGER NOT NULL CHECK (entries >= 0),
    held_minor     INTEGER NOT NULL CHECK (held_minor >= 0),
    -- Orders that money is held for.
    holds          INTEGER NOT NULL CHECK (holds >= 0 AND (holds > 0 OR held_minor = 0)),
    -- Owed to its customer, who is deleted: part of house/payable.
    payable_minor  INTEGER NOT NULL CHECK (payable_minor >= 0),
    owed_since     INTEGER CHECK ((owed_since IS NULL) = (payable_minor = 0)),
    opened_at      INTEGER NOT NULL,
    closed_at      INTEGER,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (customer_id, currency),
    -- What is closed is empty.
    CHECK ((closed_at IS NOT NULL) = (state = 'closed')),
    CHECK (state <> 'closed' OR (credits_minor = debits_minor AND holds = 0)),
    CHECK (state = 'closed' OR payable_minor = 0)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_owed ON account (owed_since) WHERE owed_since IS NOT NULL;

-- Which accounts a customer has, and whether there may be more.
CREATE TABLE account_holder (
    customer_id  ANY NOT NULL,
    currencies   TEXT NOT NULL,
    deleted      INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (customer_id)
) STRICT, WITHOUT ROWID;

-- The house's own accounts: totals only, however many entries they have. Over all accounts, these and those of
-- customers, credits are equal to debits in every currency.
CREATE TABLE house_account (
    name           TEXT NOT NULL,
    currency       TEXT NOT NULL CHECK (length(currency) = 3),
    debits_minor   INTEGER NOT NULL CHECK (debits_minor >= 0),
    credits_minor  INTEGER NOT NULL CHECK (credits_minor >= 0),
    entries        INTEGER NOT NULL CHECK (entries > 0),
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (name, currency),
    -- No more is taken out than was set aside.
    CHECK (name <> 'house/held' OR credits_minor >= debits_minor)
) STRICT, WITHOUT ROWID;

-- One movement of money: the debit of one account and the credit of another. Only ever added to; ids are in the order of
-- time. An account is `customer`, which is that of customer_id, or has the name of one of the house.
CREATE TABLE posting (
    posting_id            ANY NOT NULL,
    customer_id           ANY,
    currency              TEXT NOT NULL CHECK (length(currency) = 3),
    amount_minor          INTEGER NOT NULL CHECK (amount_minor > 0),
    debit                 TEXT NOT NULL,
    -- Counts the entries of an account and currency.
    debit_number          INTEGER NOT NULL CHECK (debit_number > 0),
    debit_balance_minor   INTEGER NOT NULL,
    credit                TEXT NOT NULL CHECK (credit <> debit),
    credit_number         INTEGER NOT NULL CHECK (credit_number > 0),
    credit_balance_minor  INTEGER NOT NULL,
    cause                 TEXT NOT NULL,
    order_id              ANY,
    reference             TEXT,
    actor                 TEXT,
    posted_at             INTEGER NOT NULL,
    version               INTEGER NOT NULL,
    events                INTEGER NOT NULL,
    PRIMARY KEY (posting_id),
    CHECK ((customer_id IS NULL) = (debit <> 'customer' AND credit <> 'customer'))
) STRICT, WITHOUT ROWID;
-- What moved in a customer's accounts, by time.
CREATE INDEX posting_customer ON posting (customer_id) WHERE customer_id IS NOT NULL;

-- The payment of an order. A row may know only that its order ended, or facts that came early.
CREATE TABLE payment (
    order_id           ANY NOT NULL,
    payment_id         ANY NOT NULL,
    state              TEXT NOT NULL,
    -- The summary of the order; amounts are absent until it is quoted.
    customer_id        ANY NOT NULL,
    currency           TEXT NOT NULL,
    items_total_minor  INTEGER,
    discount_minor     INTEGER,
    shipping_minor     INTEGER,
    tax_minor          INTEGER,
    total_minor        INTEGER,
    payment_method     TEXT NOT NULL,
    cart_id            ANY,
    amount_minor       INTEGER NOT NULL CHECK (amount_minor >= 0),
    authorized_minor   INTEGER NOT NULL CHECK (authorized_minor IN (0, amount_minor)),
    captured_minor     INTEGER NOT NULL CHECK (captured_minor IN (0, authorized_minor)),
    refunded_minor     INTEGER NOT NULL CHECK (refunded_minor >= 0),
    -- Of refunds that are under way or owed.
    returning_minor    INTEGER NOT NULL CHECK (returning_minor >= 0),
    reference          ANY,
    refund_id          ANY CHECK ((refund_id IS NOT NULL) = (state = 'refunding')),
    captures           INTEGER NOT NULL CHECK (captures >= 0),
    voids              INTEGER NOT NULL CHECK (voids >= 0),
    refunds            INTEGER NOT NULL CHECK (refunds >= 0),
    surpluses          INTEGER NOT NULL CHECK (surpluses >= 0),
    confirmed          INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    completed          INTEGER NOT NULL CHECK (completed IN (0, 1)),
    ended              INTEGER NOT NULL CHECK (ended IN (0, 1)),
    reason             TEXT,
    -- Since when a hold cannot be let go.
    owed_since         INTEGER CHECK (owed_since IS NULL OR state = 'authorized'),
    settled_by         TEXT,
    created_at         INTEGER NOT NULL,
    changed_at         INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    events             INTEGER NOT NULL,
    PRIMARY KEY (order_id),
    CHECK (refunded_minor + returning_minor <= captured_minor),
    CHECK (state <> 'refunded' OR refunded_minor = captured_minor)
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_owed ON payment (owed_since) WHERE owed_since IS NOT NULL;

-- A refund of a part or all of what was taken.
CREATE TABLE refund (
    order_id        ANY NOT NULL,
    refund_id       ANY NOT NULL,
    payment_id      ANY NOT NULL,
    state           TEXT NOT NULL,
    amount_minor    INTEGER NOT NULL CHECK (amount_minor > 0),
    -- Asked for as all that was left, without an amount.
    is_rest         INTEGER NOT NULL CHECK (is_rest IN (0, 1)),
    currency        TEXT NOT NULL CHECK (length(currency) = 3),
    reason          TEXT NOT NULL,
    number          INTEGER NOT NULL CHECK (number > 0),
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    requested_by    TEXT,
    refused_reason  TEXT,
    owed_since      INTEGER CHECK ((owed_since IS NOT NULL) = (state = 'refused')),
    settled_by      TEXT,
    requested_at    INTEGER NOT NULL,
    refunded_at     INTEGER CHECK ((refunded_at IS NOT NULL) = (state = 'refunded')),
    version         INTEGER NOT NULL,
    events          INTEGER NOT NULL,
    PRIMARY KEY (order_id, refund_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX refund_owed ON refund (owed_since) WHERE owed_since IS NOT NULL;

-- Money that came for no reason, and goes back. It is in no account.
CREATE TABLE surplus (
    order_id        ANY NOT NULL,
    -- What whoever holds it calls it.
    reference       ANY NOT NULL,
    payment_id      ANY NOT NULL,
    state           TEXT NOT NULL,
    amount_minor    INTEGER NOT NULL CHECK (amount_minor > 0),
    currency        TEXT NOT NULL CHECK (length(currency) = 3),
    number          INTEGER NOT NULL CHECK (number > 0),
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    refused_reason  TEXT,
    owed_since      INTEGER CHECK ((owed_since IS NOT NULL) = (state = 'refused')),
    settled_by      TEXT,
    came_at         INTEGER NOT NULL,
    returned_at     INTEGER CHECK ((returned_at IS NOT NULL) = (state = 'returned')),
    version         INTEGER NOT NULL,
    events          INTEGER NOT NULL,
    PRIMARY KEY (order_id, reference)
) STRICT, WITHOUT ROWID;
CREATE INDEX surplus_owed ON surplus (owed_since) WHERE owed_since IS NOT NULL;
