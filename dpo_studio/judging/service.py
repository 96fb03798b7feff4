"""Judging jobs: rank one group after another and say everything as events. Rules need no model and load no torch."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from dpo_studio.core import events, judge_rules
from dpo_studio.core.errors import UserError
from dpo_studio.core.judges import Judge, JudgeGroups, JudgeItem, question

from .comparer import Comparer, QuestionRefused

if TYPE_CHECKING:
    from dpo_studio.models.load import LoadedModel

#: Log-odds beyond this (nats) are taken as this: one pair must not outweigh all others by its certainty.
SUREST = 20.0
_POLL_S = 0.1
_Key = tuple[str, str | None, str]


class Judging:
    """Judges groups; the model of the last command stays loaded until another is asked for. For one thread."""

    def __init__(self) -> None:
        self._key: _Key | None = None
        self._comparer: Comparer | None = None

    def run(self, command: JudgeGroups, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """The events of one job, the last of which is JobFinished or Failed. Never raises.

        Args:
            cancelled: asked between questions; groups ranked before stand.
        """
        try:
            judge = Judge.from_json(command.judge).validate()
            if judge.kind == "rules":
                yield from self._by_rules(judge, command, cancelled)
            elif judge.remote:
                yield from self._by_server(judge, command, cancelled)
            else:
                yield from self._load((judge.base, judge.adapter, command.device), cancelled)
                if self._comparer is not None:
                    yield from _by_comparing(self._comparer, judge, command, cancelled)
            yield events.JobFinished(command.job, "cancelled" if cancelled() else "done")
        except UserError as error:
            yield events.Failed(error.message, error.hint, job=command.job)
        except Exception as error:  # the process must live on, and tell
            from dpo_studio.models.out_of_memory import is_out_of_memory  # brings torch, which rules do without

            if is_out_of_memory(error):
                self._key, self._comparer = None, None
                yield events.Failed(
                    "The memory was not enough for the judge's questions.",
                    "Choose a smaller model as the judge, or close other programs.",
                    job=command.job,
                )
                return
            yield events.Failed("Something went wrong in the judge's process.", "", traceback.format_exc(), command.job)

    def _by_rules(self, judge: Judge, command: JudgeGroups, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        rules = [judge_rules.parse(text) for text in judge.rules]
        for item in command.items:
            if cancelled():
                return
            started = time.monotonic()
            ranks, note = judge_rules.rank(rules, item.answers)
            whole = tuple(rank for rank in ranks if rank is not None)
            yield events.GroupJudged(command.job, item.group, whole, note, time.monotonic() - started)

    def _by_server(self, judge: Judge, command: JudgeGroups, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        from dpo_studio.core.server_reference import parse

        from .remote import ServerComparer

        if cancelled():
            return
        started = time.monotonic()
        yield events.ModelLoading(judge.base, "asking the server for its models")
        comparer = ServerComparer(parse(judge.base))
        try:
            comparer.check()
            yield events.ModelLoaded(judge.base, None, "server", "", 0, 0, "", time.monotonic() - started)
            yield from _by_comparing(comparer, judge, command, cancelled)
        finally:
            comparer.close()

    def _load(self, key: _Key, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """Load the model unless it is there, in a thread of its own, since that cannot be interrupted."""
        if self._key == key:
            return
        self._key, self._comparer = None, None
        from .local import LocalComparer

        started = time.monotonic()
        said: queue.SimpleQueue[str | LoadedModel | BaseException] = queue.SimpleQueue()
        threading.Thread(target=_load_model, args=(key, said), name="load a judge", daemon=True).start()
        while not cancelled():
            try:
                one = said.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if isinstance(one, BaseException):
                raise one
            if isinstance(one, str):
                yield events.ModelLoading(key[0], one)
                continue
            self._comparer, self._key = LocalComparer(one), key
            yield events.ModelLoaded(
                base=key[0],
                adapter=key[1],
                device=str(one.device),
                dtype=str(one.dtype).removeprefix("torch."),
                parameters=one.parameters,
                context_length=one.context_length,
                tokenizer_hash=one.tokenizer_hash,
                seconds=time.monotonic() - started,
            )
            return


def _load_model(key: _Key, said: queue.SimpleQueue[str | LoadedModel | BaseException]) -> None:
    from pathlib import Path

    from dpo_studio.models.exact import exact
    from dpo_studio.models.load import load_where_it_fits

    base, adapter, device = key
    try:
        loaded = load_where_it_fits(base, adapter=Path(adapter) if adapter else None, device=device, on_stage=said.put)
        said.put(exact(loaded))
    except BaseException as error:
        said.put(error)


def _by_comparing(
    comparer: Comparer, judge: Judge, command: JudgeGroups, cancelled: Callable[[], bool]
) -> Iterator[events.Event]:
    for item in command.items:
        if cancelled():
            return
        try:
            judged = _compare(comparer, judge, command.job, item, cancelled)
        except QuestionRefused as error:
            judged = events.GroupNotJudged(command.job, item.group, error.message, error.hint)
        if judged is not None:
            yield judged


def _compare(
    comparer: Comparer, judge: Judge, job: str, item: JudgeItem, cancelled: Callable[[], bool]
) -> events.GroupJudged | events.GroupNotJudged | None:
    """Rank one group by all its pairs, each in both orders; None when it was cancelled. Equal texts are not asked."""
    from . import aggregate

    started = time.monotonic()
    texts = [text.strip() for text, _ in item.answers]
    every = list(combinations(range(len(texts)), 2))
    pairs = [(i, j) for i, j in every if texts[i] != texts[j]]
    questions = []
    for i, j in pairs:
        questions.append(question(judge.principles, item.messages, texts[i], texts[j]))
        questions.append(question(judge.principles, item.messages, texts[j], texts[i]))
    said = comparer.log_odds(questions, cancelled) if questions else []
    if said is None:
        return None
    bounded = [None if value is None else max(-SUREST, min(SUREST, value)) for value in said]
    found: dict[tuple[int, int], aggregate.Pair] = {}
    for number, pair in enumerate(pairs):
        first, second = bounded[2 * number], bounded[2 * number + 1]
        found[pair] = aggregate.Pair(first, None if second is None else -second)
    unanswered = sum(value is None for value in said)
    log_odds = {pair: 0.0 for pair in every if pair not in found}
    log_odds |= {pair: one.log_odds for pair, one in found.items() if one.log_odds is not None}
    values = aggregate.scores(log_odds, len(texts))
    if values is None:
        return events.GroupNotJudged(
            job,
            item.group,
            f"{unanswered} of {len(said)} questions about it were answered with something else than A or B.",
            comparer.advice,
            len(said),
            unanswered,
        )
    answered = [one for one in found.values() if one.log_odds is not None]
    disagreements = sum(one.disagrees for one in answered)
    no_opinion = bool(answered) and disagreements == len(answered)
    ranks = () if no_opinion else aggregate.weak_order(values, tie_below=judge.tie_below)
    sure = aggregate.confidence(values, ranks) if comparer.graded and ranks else None
    return events.GroupJudged(
        job,
        item.group,
        ranks,
        _note(len(answered), disagreements, sure),
        time.monotonic() - started,
        confidence=sure,
        pairs=len(answered),
        disagreements=disagreements,
        first_shown=sum(one.named_first_shown for one in found.values()),
        asked=len(said),
        unanswered=unanswered,
    )


def _note(pairs: int, disagreements: int, sure: float | None) -> str:
    if not pairs:
        return "The answers are the same."
    same = pairs - disagreements
    if not same:
        return (
            "No opinion: turned round, "
            + ("the pair" if pairs == 1 else f"each of {pairs} pairs")
            + " came out otherwise."
        )
    if pairs == 1:
        said = "The same answer was better in both orders"
    else:
        said = f"In {same} of {pairs} pairs the same answer was better in both orders"
    return f"{said}; {sure:.0%} sure on average." if sure is not None else f"{said}."
