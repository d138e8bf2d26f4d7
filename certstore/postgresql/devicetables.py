"""The tables of the cluster's phones, with the columns of the SQLite file: `certstore.devices` says what they are."""

from __future__ import annotations

from typing import Final

TABLES: Final = """
CREATE TABLE device (
    name text COLLATE "C" PRIMARY KEY,
    model text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    listed bigint NOT NULL,                  -- seconds since 1970 as all times here, 0 is never
    node text COLLATE "C" NOT NULL,
    addresses text COLLATE "C" NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    tls text COLLATE "C" NOT NULL,
    cipher text COLLATE "C" NOT NULL,
    certificate text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    requests bigint NOT NULL,
    refused bigint NOT NULL,
    request text COLLATE "C" NOT NULL,       -- the last question
    subject text COLLATE "C" NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    serial text COLLATE "C" NOT NULL,
    result text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    roles text COLLATE "C" NOT NULL,
    signer_issuer text COLLATE "C" NOT NULL, -- the last signer that it was told to trust
    signer_serial text COLLATE "C" NOT NULL,
    signer_seen bigint NOT NULL,
    signer_generation bigint NOT NULL,
    denied_issuer text COLLATE "C" NOT NULL, -- the last signer that it was not told to trust
    denied_serial text COLLATE "C" NOT NULL,
    denied_seen bigint NOT NULL,
    denied_generation bigint NOT NULL
);
CREATE INDEX devicelast ON device (last);
CREATE TABLE unserved (
    address text COLLATE "C" PRIMARY KEY,
    node text COLLATE "C" NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    reason text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    failures bigint NOT NULL
);
CREATE INDEX unservedlast ON unserved (last)
"""
SUITES: Final = """
ALTER TABLE device ADD COLUMN suites text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE unserved ADD COLUMN suites text COLLATE "C" NOT NULL DEFAULT ''
"""
"""What phones offer. Programs that do not know it leave it empty."""
