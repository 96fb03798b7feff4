"""Numbered migrations. The number is `user_version`; each runs in one transaction.

A migration that was released is never changed: add the next one, and keep a file of the schema
before it in tests/store/released/.
"""

from __future__ import annotations

from . import schema_2
from .light_sqlite_utils import Database, Migrations

APPLICATION_ID = 0x44504F53  # "DPOS"

migrations = Migrations("dpo_studio")


@migrations(name="0001_initial")
def _initial(db: Database) -> None:
    for statement in _INITIAL:
        db.conn.execute(statement)
    db.conn.execute("PRAGMA user_version = 1")


@migrations(name="0002_confidence_prompts_recipes_repeats")
def _second(db: Database) -> None:
    for statement in schema_2.STATEMENTS:
        db.conn.execute(statement)
    db.conn.execute("PRAGMA user_version = 2")


SCHEMA_VERSION = 2

_INITIAL = (
    """CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    )""",
    """CREATE TABLE prompts (
        id INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        messages TEXT NOT NULL,
        content_hash TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL DEFAULT '',
        tags TEXT NOT NULL DEFAULT '[]',
        held_out INTEGER NOT NULL CHECK (held_out IN (0, 1)),
        created TEXT NOT NULL
    )""",
    """CREATE TABLE policies (
        id INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        base TEXT NOT NULL,
        adapter TEXT,
        parent_id INTEGER REFERENCES policies(id),
        round INTEGER NOT NULL DEFAULT 0,
        created TEXT NOT NULL
    )""",
    "CREATE UNIQUE INDEX policies_identity ON policies(base, IFNULL(adapter, ''))",
    """CREATE TABLE completions (
        id INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        prompt_id INTEGER NOT NULL REFERENCES prompts(id),
        policy_id INTEGER REFERENCES policies(id),
        text TEXT NOT NULL,
        token_ids TEXT,
        tokenizer_hash TEXT,
        logp REAL,
        sampling TEXT,
        seed INTEGER,
        finish_reason TEXT NOT NULL,
        created TEXT NOT NULL
    )""",
    "CREATE INDEX completions_prompt ON completions(prompt_id)",
    """CREATE TABLE groups (
        id INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        prompt_id INTEGER NOT NULL REFERENCES prompts(id),
        size INTEGER NOT NULL CHECK (size >= 2),
        policy_id INTEGER REFERENCES policies(id),
        sampling TEXT,
        ready INTEGER NOT NULL DEFAULT 0 CHECK (ready IN (0, 1)),
        created TEXT NOT NULL
    )""",
    "CREATE INDEX groups_prompt ON groups(prompt_id)",
    "CREATE INDEX groups_ready ON groups(ready, id)",
    """CREATE TABLE group_items (
        group_id INTEGER NOT NULL REFERENCES groups(id),
        candidate INTEGER NOT NULL,
        completion_id INTEGER NOT NULL REFERENCES completions(id),
        PRIMARY KEY (group_id, candidate)
    ) WITHOUT ROWID""",
    """CREATE TABLE rankings (
        id INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        group_id INTEGER NOT NULL REFERENCES groups(id),
        kind TEXT NOT NULL CHECK (kind IN ('ranking', 'skip', 'all_bad', 'retraction')),
        annotator TEXT NOT NULL,
        annotator_kind TEXT NOT NULL DEFAULT 'person' CHECK (annotator_kind IN ('person', 'judge')),
        presented TEXT NOT NULL DEFAULT '[]',
        strength INTEGER NOT NULL DEFAULT 1,
        flags TEXT NOT NULL DEFAULT '[]',
        note TEXT NOT NULL DEFAULT '',
        seconds REAL,
        supersedes INTEGER UNIQUE REFERENCES rankings(id),
        undoes INTEGER UNIQUE REFERENCES rankings(id),
        created TEXT NOT NULL
    )""",
    "CREATE INDEX rankings_group ON rankings(group_id, annotator)",
    "CREATE INDEX rankings_kind ON rankings(kind, annotator)",
    """CREATE TABLE ranking_items (
        ranking_id INTEGER NOT NULL REFERENCES rankings(id),
        completion_id INTEGER NOT NULL REFERENCES completions(id),
        rank INTEGER CHECK (rank >= 1),
        PRIMARY KEY (ranking_id, completion_id)
    ) WITHOUT ROWID""",
    """CREATE TRIGGER rankings_are_kept BEFORE DELETE ON rankings
        BEGIN SELECT RAISE(ABORT, 'rankings are append-only'); END""",
    """CREATE TRIGGER rankings_stand BEFORE UPDATE ON rankings
        BEGIN SELECT RAISE(ABORT, 'rankings are append-only'); END""",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        folder TEXT NOT NULL UNIQUE,
        policy_id INTEGER NOT NULL REFERENCES policies(id),
        result_policy_id INTEGER REFERENCES policies(id),
        settings TEXT NOT NULL,
        created TEXT NOT NULL
    )""",
    """CREATE VIEW current_rankings AS
        SELECT r.* FROM rankings r
        WHERE r.kind <> 'retraction'
          AND NOT EXISTS (SELECT 1 FROM rankings s WHERE s.supersedes = r.id)""",
)
