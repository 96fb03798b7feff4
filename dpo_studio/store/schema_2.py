"""What schema 2 adds to schema 1, in the order in which it is applied. One tuple for each capability.

A schema that was released is never changed; then the next one begins.
"""

from __future__ import annotations

_TEXT_OF_NEW = "(SELECT group_concat(json_extract(value, '$.content'), char(10)) FROM json_each(new.messages))"

#: How sure an annotator was: a half (a guess) to 1; NULL where nobody was asked.
CONFIDENCE = (
    "ALTER TABLE rankings ADD COLUMN confidence REAL CHECK (confidence IS NULL OR confidence BETWEEN 0.5 AND 1.0)",
)

#: Prompts out of the way without being lost, tags that can be looked up, and a full text of every turn
#: (three letters at a time, so that it works in languages that put no space between words). Written by triggers; not
#: for prompts that are added in bulk, whose statements would each flush the full text (see `prompt_words`).
PROMPTS = (
    "ALTER TABLE prompts ADD COLUMN archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1))",
    "CREATE INDEX prompts_archived ON prompts(archived, id)",
    """CREATE TABLE prompt_tags (
        tag TEXT NOT NULL,
        prompt_id INTEGER NOT NULL REFERENCES prompts(id) ON DELETE CASCADE,
        PRIMARY KEY (tag, prompt_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX prompt_tags_prompt ON prompt_tags(prompt_id)",
    "INSERT OR IGNORE INTO prompt_tags (tag, prompt_id) SELECT t.value, p.id FROM prompts p, json_each(p.tags) t",
    "CREATE VIRTUAL TABLE prompts_text USING fts5(text, tokenize = 'trigram')",
    f"""INSERT INTO prompts_text (rowid, text)
        SELECT new.id, {_TEXT_OF_NEW} FROM prompts new""",
    f"""CREATE TRIGGER prompts_text_added AFTER INSERT ON prompts
        WHEN NOT EXISTS (SELECT 1 FROM facts WHERE name = 'prompts_in_bulk')
        BEGIN
            INSERT INTO prompts_text (rowid, text) VALUES (new.id, {_TEXT_OF_NEW});
            INSERT OR IGNORE INTO prompt_tags (tag, prompt_id) SELECT value, new.id FROM json_each(new.tags);
        END""",
    f"""CREATE TRIGGER prompts_text_changed AFTER UPDATE OF messages ON prompts
        BEGIN UPDATE prompts_text SET text = {_TEXT_OF_NEW} WHERE rowid = new.id; END""",
    """CREATE TRIGGER prompts_tags_changed AFTER UPDATE OF tags ON prompts
        BEGIN
            DELETE FROM prompt_tags WHERE prompt_id = new.id;
            INSERT OR IGNORE INTO prompt_tags (tag, prompt_id) SELECT value, new.id FROM json_each(new.tags);
        END""",
    """CREATE TRIGGER prompts_text_gone AFTER DELETE ON prompts
        BEGIN DELETE FROM prompts_text WHERE rowid = old.id; END""",
)

#: Where prompts came from, to be looked up; and how many there are, archived and not, counted as they are written.
PROMPT_LISTS = (
    "CREATE INDEX prompts_source ON prompts(source, archived)",
    """CREATE TABLE prompt_tallies (
        archived INTEGER PRIMARY KEY CHECK (archived IN (0, 1)),
        prompts INTEGER NOT NULL
    )""",
    "INSERT INTO prompt_tallies (archived, prompts) SELECT 0, count(*) FROM prompts UNION ALL SELECT 1, 0",
    """CREATE TRIGGER prompt_tallies_added AFTER INSERT ON prompts
        BEGIN UPDATE prompt_tallies SET prompts = prompts + 1 WHERE archived = new.archived; END""",
    """CREATE TRIGGER prompt_tallies_gone AFTER DELETE ON prompts
        BEGIN UPDATE prompt_tallies SET prompts = prompts - 1 WHERE archived = old.archived; END""",
    """CREATE TRIGGER prompt_tallies_moved AFTER UPDATE OF archived ON prompts WHEN new.archived <> old.archived
        BEGIN
            UPDATE prompt_tallies SET prompts = prompts - 1 WHERE archived = old.archived;
            UPDATE prompt_tallies SET prompts = prompts + 1 WHERE archived = new.archived;
        END""",
)

#: What each candidate of a group is to come from, where they differ: a JSON list, one entry a candidate, of
#: {"policy_id": …, "sampling": …}; NULL where the group's own policy and sampling hold for all of them.
RECIPES = ("ALTER TABLE groups ADD COLUMN recipe TEXT",)

#: A group that asks for the same comparison once more, to measure agreement with oneself: it is labelled like any
#: other, and never trained on or exported.
REPEATS = (
    "ALTER TABLE groups ADD COLUMN repeat_of INTEGER REFERENCES groups(id)",
    "CREATE INDEX groups_repeat_of ON groups(repeat_of) WHERE repeat_of IS NOT NULL",
    "CREATE INDEX groups_repeats ON groups(id) WHERE repeat_of IS NOT NULL",
)

#: How undecided a policy is about a group: the gap (nats) between its best and second implicit reward, small for
#: the most informative. Derived, and computed afresh for another policy.
SCORES = (
    """CREATE TABLE group_scores (
        group_id INTEGER PRIMARY KEY REFERENCES groups(id),
        policy_id INTEGER NOT NULL REFERENCES policies(id),
        gap REAL NOT NULL
    )""",
    "CREATE INDEX group_scores_gap ON group_scores(gap)",
)

#: Fast answers on large projects: `ranking_tallies` counts the standing judgements of each annotator (retractions
#: too; those on repeats not) as they are written, and nothing else writes to it; the indices are for what came last.
QUEUE = (
    "DROP INDEX rankings_group",
    "CREATE INDEX rankings_group ON rankings(group_id, annotator, annotator_kind, id, kind)",
    "CREATE INDEX rankings_annotator ON rankings(annotator, annotator_kind, id)",
    """CREATE TABLE ranking_tallies (
        annotator TEXT NOT NULL,
        annotator_kind TEXT NOT NULL,
        kind TEXT NOT NULL,
        standing INTEGER NOT NULL,
        PRIMARY KEY (annotator, annotator_kind, kind)
    ) WITHOUT ROWID""",
    """INSERT INTO ranking_tallies (annotator, annotator_kind, kind, standing)
        SELECT annotator, annotator_kind, kind, count(*) FROM rankings r
        WHERE NOT EXISTS (SELECT 1 FROM rankings s WHERE s.supersedes = r.id)
        GROUP BY annotator, annotator_kind, kind""",
    """CREATE TRIGGER ranking_tallies_kept AFTER INSERT ON rankings
        WHEN (SELECT repeat_of FROM groups WHERE id = new.group_id) IS NULL
        BEGIN
            INSERT INTO ranking_tallies (annotator, annotator_kind, kind, standing)
                VALUES (new.annotator, new.annotator_kind, new.kind, 1)
                ON CONFLICT (annotator, annotator_kind, kind) DO UPDATE SET standing = standing + 1;
            UPDATE ranking_tallies SET standing = standing - 1
                WHERE (annotator, annotator_kind, kind) =
                    (SELECT annotator, annotator_kind, kind FROM rankings WHERE id = new.supersedes);
        END""",
)

_STANDS = """EXISTS (SELECT 1 FROM current_rankings r
            WHERE r.group_id = g.id AND r.annotator = a.name AND r.annotator_kind = 'person')"""
_WAITS_FOR_ALL = """INSERT OR IGNORE INTO waits (annotator, group_id) SELECT name, new.id FROM annotators
            WHERE NOT (SELECT archived FROM prompts WHERE id = new.prompt_id)"""

#: What waits for whom: the ready groups, of prompts that are not archived, on which a person's judgement is missing.
#: Kept by these triggers for each of `annotators` (who is put there when first asked for); `waiting` counts a
#: person's rows. A repeat waits for whom it was made, and is not counted.
WAITS = (
    """CREATE TABLE annotators (
        name TEXT PRIMARY KEY,
        waiting INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE waits (
        annotator TEXT NOT NULL,
        group_id INTEGER NOT NULL,
        PRIMARY KEY (annotator, group_id)
    ) WITHOUT ROWID""",
    """CREATE TRIGGER waits_more AFTER INSERT ON waits
        WHEN (SELECT repeat_of FROM groups WHERE id = new.group_id) IS NULL
        BEGIN UPDATE annotators SET waiting = waiting + 1 WHERE name = new.annotator; END""",
    """CREATE TRIGGER waits_less AFTER DELETE ON waits
        WHEN (SELECT repeat_of FROM groups WHERE id = old.group_id) IS NULL
        BEGIN UPDATE annotators SET waiting = waiting - 1 WHERE name = old.annotator; END""",
    f"""CREATE TRIGGER waits_added AFTER INSERT ON groups WHEN new.ready = 1 AND new.repeat_of IS NULL
        BEGIN {_WAITS_FOR_ALL}; END""",
    f"""CREATE TRIGGER waits_ready AFTER UPDATE OF ready ON groups
        WHEN new.ready = 1 AND old.ready = 0 AND new.repeat_of IS NULL
        BEGIN {_WAITS_FOR_ALL}
            AND NOT EXISTS (SELECT 1 FROM current_rankings r WHERE r.group_id = new.id AND r.annotator = name
                AND r.annotator_kind = 'person'); END""",
    """CREATE TRIGGER waits_gone BEFORE DELETE ON groups
        BEGIN DELETE FROM waits WHERE group_id = old.id AND annotator IN (SELECT name FROM annotators); END""",
    """CREATE TRIGGER waits_judged AFTER INSERT ON rankings WHEN new.annotator_kind = 'person'
        BEGIN
            DELETE FROM waits
                WHERE annotator = new.annotator AND group_id = new.group_id AND new.kind <> 'retraction';
            INSERT OR IGNORE INTO waits (annotator, group_id)
                SELECT a.name, g.id FROM annotators a, groups g JOIN prompts p ON p.id = g.prompt_id
                WHERE new.kind = 'retraction' AND a.name = new.annotator AND g.id = new.group_id
                    AND g.ready = 1 AND p.archived = 0;
        END""",
    f"""CREATE TRIGGER waits_archived AFTER UPDATE OF archived ON prompts WHEN new.archived <> old.archived
        BEGIN
            DELETE FROM waits WHERE new.archived = 1 AND annotator IN (SELECT name FROM annotators)
                AND group_id IN (SELECT id FROM groups WHERE prompt_id = new.id);
            INSERT OR IGNORE INTO waits (annotator, group_id)
                SELECT a.name, g.id FROM annotators a, groups g
                WHERE new.archived = 0 AND g.prompt_id = new.id AND g.ready = 1 AND g.repeat_of IS NULL
                    AND NOT {_STANDS};
        END""",
)

STATEMENTS = (*CONFIDENCE, *PROMPTS, *PROMPT_LISTS, *RECIPES, *REPEATS, *SCORES, *QUEUE, *WAITS)
