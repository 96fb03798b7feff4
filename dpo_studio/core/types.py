"""What a project is made of, as frozen values. No behaviour beyond conversions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NewType

PromptId = NewType("PromptId", int)
PolicyId = NewType("PolicyId", int)
CompletionId = NewType("CompletionId", int)
GroupId = NewType("GroupId", int)
RankingId = NewType("RankingId", int)
RunId = NewType("RunId", int)

ROLES: tuple[str, ...] = ("system", "user", "assistant")

#: How a completion came to its end: the model ended its turn, it came to one of the texts that end an answer,
#: the token limit cut it, a person wrote it, or it was imported (ends with the turn's end token in training).
FinishReason = Literal["stop", "stop_string", "length", "written", "imported"]

#: Ranks per completion, in the order of the group's completions: 1 is best, equal ranks are
#: ties, None is "below everything ranked, order unknown".
Ranks = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str

    def to_json(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


#: A conversation, turn by turn.
Conversation = tuple[Message, ...]


def messages_from_json(rows: Sequence[Mapping[str, str]]) -> tuple[Message, ...]:
    """Messages from a list of role/content mappings, as chat templates and data sets hold them."""
    return tuple(Message(role=row["role"], content=row["content"]) for row in rows)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that waits for the assistant's next answer."""

    id: PromptId
    uuid: str
    messages: tuple[Message, ...]
    source: str = ""
    tags: tuple[str, ...] = ()
    held_out: bool = False
    archived: bool = False

    @property
    def title(self) -> str:
        """The last user turn on one line, for lists."""
        users = [message.content for message in self.messages if message.role == "user"]
        return " ".join((users[-1] if users else self.messages[-1].content).split())


@dataclass(frozen=True, slots=True)
class Policy:
    """A model that answers: a base, or a base plus the adapter that a run made.

    Attributes:
        base: a model reference as the person gave it ("starter", a folder, a .gguf file, a Hub id).
        adapter: folder of the adapter, relative to the project, or None for the base itself.
        round: 0 for a base, one more than the parent for a trained policy.
    """

    id: PolicyId
    uuid: str
    name: str
    base: str
    adapter: str | None = None
    parent_id: PolicyId | None = None
    round: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer to a prompt.

    Attributes:
        token_ids: the tokens that were sampled, end token included when the model produced it;
            None for text that was written or imported.
        tokenizer_hash: the tokenizer the ids belong to; they mean nothing for another.
        logp: sum of the log-probabilities (nats) of the ids under the unmodified policy
            (temperature 1, no truncation).
        sampling: the sampling settings as JSON, or None.
        seed: the seed of this candidate's random stream.
        candidate: the index of this completion among the group's candidates, from 0.
    """

    id: CompletionId
    uuid: str
    prompt_id: PromptId
    text: str
    policy_id: PolicyId | None = None
    token_ids: tuple[int, ...] | None = None
    tokenizer_hash: str | None = None
    logp: float | None = None
    sampling: Mapping[str, Any] | None = None
    seed: int | None = None
    finish_reason: str = "imported"
    candidate: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """What is compared: a prompt and its completions.

    Attributes:
        size: how many completions the group is to have; it waits in Generate until it has them.
        recipe: a mapping with "policy_id" and "sampling" for each candidate, where they differ; else empty.
        repeat_of: the group whose comparison this one asks for once more, to measure agreement with oneself.
    """

    id: GroupId
    uuid: str
    prompt: Prompt
    completions: tuple[Completion, ...]
    size: int
    policy_id: PolicyId | None = None
    sampling: Mapping[str, Any] | None = None
    recipe: tuple[Mapping[str, Any], ...] = ()
    repeat_of: GroupId | None = None

    @property
    def ready(self) -> bool:
        return len(self.completions) >= self.size


@dataclass(frozen=True, slots=True)
class Ranking:
    """One judgement on a group; never changed once it is written.

    Attributes:
        kind: "ranking", "skip", "all_bad" or "retraction".
        ranks: per completion id; None is "below everything ranked". Empty unless kind is "ranking".
        presented: the completion ids in the order in which they were shown.
        strength: 1 better, 2 much better.
        seconds: time from shown to answered, or None when unknown.
        confidence: how sure the annotator was, from a half (a guess) to 1; None where nobody was asked.
        supersedes: the row this one takes the place of.
        undoes: the row whose undoing this one is.
    """

    id: RankingId
    uuid: str
    group_id: GroupId
    kind: str
    annotator: str
    annotator_kind: str = "person"
    ranks: Mapping[CompletionId, int | None] = field(default_factory=dict)
    presented: tuple[CompletionId, ...] = ()
    strength: int = 1
    flags: tuple[str, ...] = ()
    note: str = ""
    seconds: float | None = None
    supersedes: RankingId | None = None
    undoes: RankingId | None = None
    created: str = ""
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A training run. Its metrics live in its folder, never in the database.

    Attributes:
        folder: relative to the project.
        policy_id: the policy it starts from.
        result_policy_id: the policy it made, once there is one.
    """

    id: RunId
    uuid: str
    name: str
    folder: str
    policy_id: PolicyId
    settings: Mapping[str, Any]
    result_policy_id: PolicyId | None = None
    created: str = ""
