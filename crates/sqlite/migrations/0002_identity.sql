-- Identity: who the users are, how they prove it, where they are signed in, and which keys sign their tokens.

CREATE TABLE "user" (
    user_id         ANY NOT NULL,
    state           TEXT NOT NULL,
    role            TEXT NOT NULL CHECK (role <> 'service'),
    -- As it was typed. A deleted user keeps the row, but nothing personal.
    email           TEXT,
    email_verified  INTEGER NOT NULL CHECK (email_verified IN (0, 1)),
    username        TEXT,
    first_name      TEXT,
    last_name       TEXT,
    avatar_url      TEXT,
    registered_at   INTEGER NOT NULL,
    deleted_at      INTEGER,
    version         INTEGER NOT NULL,
    events          INTEGER NOT NULL,
    PRIMARY KEY (user_id),
    CHECK ((state = 'deleted') = (deleted_at IS NOT NULL)),
    CHECK ((state = 'deleted') = (email IS NULL)),
    CHECK (state <> 'deleted' OR (email_verified = 0 AND coalesce(username, first_name, last_name, avatar_url) IS NULL))
) STRICT, WITHOUT ROWID;

-- Who has an address: no two users share one.
CREATE TABLE email_address (
    address  TEXT NOT NULL CHECK (address = lower(address)),
    user_id  ANY NOT NULL,
    version  INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (address)
) STRICT, WITHOUT ROWID;

CREATE TABLE credential (
    user_id        ANY NOT NULL,
    -- PHC string format.
    password_hash  TEXT NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    -- Counts the passwords from 1.
    generation     INTEGER NOT NULL CHECK (generation >= 1),
    -- Wrong passwords since failing_since.
    failures       INTEGER NOT NULL CHECK (failures >= 0),
    failing_since  INTEGER,
    locked_until   INTEGER,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (user_id),
    CHECK ((failures = 0) = (failing_since IS NULL))
) STRICT, WITHOUT ROWID;

-- A session that is open: it is deleted when it ends. All hashes are SHA-256 of secrets.
CREATE TABLE session (
    session_id    ANY NOT NULL,
    user_id       ANY NOT NULL,
    -- Of the part that all refresh tokens of the session share.
    family_hash   ANY NOT NULL,
    -- Of the part that is new in each: of the token that is to be used next, and of the one that was used last.
    token_hash    ANY NOT NULL,
    used_hash     ANY,
    opened_at     INTEGER NOT NULL,
    refreshed_at  INTEGER NOT NULL CHECK (refreshed_at >= opened_at),
    expires_at    INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    PRIMARY KEY (session_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE user_sessions (
    user_id      ANY NOT NULL,
    -- JSON array of session ids, the oldest first.
    session_ids  TEXT NOT NULL,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;

-- A token that works once: it is deleted when it is used.
CREATE TABLE one_time_token (
    purpose     TEXT NOT NULL,
    -- A user, or first_admin.
    holder      ANY NOT NULL,
    -- SHA-256 of its secret.
    token_hash  ANY NOT NULL,
    -- The address that it was sent to, and the only one for which it is good.
    email       TEXT,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    PRIMARY KEY (purpose, holder),
    CHECK ((purpose = 'first_admin') = (email IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_key (
    kid          ANY NOT NULL,
    state        TEXT NOT NULL,
    -- JSON, RFC 7517.
    public_jwk   TEXT NOT NULL,
    -- Encrypted; gone as soon as the key signs nothing any more.
    private_key  BLOB,
    created_at   INTEGER NOT NULL,
    -- When the last token that it signed expires; of a key that signs nothing any more.
    retires_at   INTEGER,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (kid),
    CHECK ((state = 'active') = (private_key IS NOT NULL)),
    CHECK ((state = 'active') = (retires_at IS NULL))
) STRICT, WITHOUT ROWID;

-- Programs that act in their own name.
CREATE TABLE client (
    client_id    ANY NOT NULL,
    name         TEXT NOT NULL,
    -- SHA-256 of its secret.
    secret_hash  ANY NOT NULL,
    created_at   INTEGER NOT NULL,
    -- A user id, or cli.
    created_by   ANY NOT NULL,
    revoked_at   INTEGER,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (client_id)
) STRICT, WITHOUT ROWID;

-- One row: the key that signs, and how many users are admins.
CREATE TABLE realm (
    name        ANY NOT NULL CHECK (name = 'identity'),
    active_kid  ANY,
    admins      INTEGER NOT NULL CHECK (admins >= 0),
    version     INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
