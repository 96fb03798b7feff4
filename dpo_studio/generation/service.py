"""Generation jobs: keep a model loaded, answer one prompt after another, say everything as events."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

from dpo_studio.core import commands, events
from dpo_studio.core.errors import UserError
from dpo_studio.core.server_reference import is_server, parse
from dpo_studio.core.settings import SamplingSettings
from dpo_studio.models.load import LoadedModel
from dpo_studio.models.out_of_memory import is_out_of_memory

from .answers import Answer, TextPiece
from .drawing import Ended, Wish, draw
from .holding import Holder
from .remote import Counted, Server, unheard
from .server_errors import MOST_FAILURES, FailedRequestError, RefusedError
from .work import Group, Work


class Generator:
    """Answers prompts with the model of the last command, which stays loaded until another is asked for.

    For one thread.
    """

    def __init__(self) -> None:
        self._holder = Holder()
        self._told: set[str] = set()

    def run(self, command: commands.Generate, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """The events of one job, the last of which is JobFinished or Failed. Never raises.

        Groups that mix models are answered by one base after another, and by the adapters of one base in turn.

        Args:
            cancelled: asked at each token; answers finished before stand.
        """
        try:
            work = Work(command)
            for base in work.bases:
                if cancelled():
                    break
                if is_server(base):
                    yield from self._run_remote(work, base, cancelled)
                else:
                    yield from self._run_local(work, base, cancelled)
            yield events.JobFinished(command.job, "cancelled" if cancelled() else "done")
        except Exception as error:  # the process must live on, and tell
            yield self._failed(error, command.job)

    def load(self, command: commands.Load, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        """Load the model that a coming job will want. Never raises."""
        try:
            if is_server(command.base):
                yield from _greet(command.base)
                return
            yield from self._holder.hold((command.base, command.adapter, command.device), cancelled)
        except Exception as error:
            yield self._failed(error, "")

    def _run_local(self, work: Work, base: str, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        for groups, adapter in work.parts(base):
            if cancelled():
                return
            yield from self._holder.hold((base, adapter, work.device), cancelled)
            if self._holder.loaded is not None:
                yield from _answer(self._holder.loaded, work, groups, (base, adapter), cancelled)

    def _run_remote(self, work: Work, base: str, cancelled: Callable[[], bool]) -> Iterator[events.Event]:
        yield from _greet(base)
        server, failures = Server(parse(base)), 0
        try:
            for group in work.groups:
                if cancelled():
                    return
                wanted = {} if group.refused else work.wanted(group, base, None)
                if not wanted:
                    continue
                for sampling in wanted.values():
                    yield from self._tell_unheard(sampling)
                try:
                    yield from _ask(server, work, group, wanted, cancelled)
                    failures = 0
                except FailedRequestError as error:
                    failures += 1
                    if failures == MOST_FAILURES:
                        raise
                    yield work.refuse(group, error.message, error.hint)
        finally:
            server.close()

    def _tell_unheard(self, sampling: SamplingSettings) -> Iterator[events.Event]:
        left_out = unheard(sampling)
        if left_out and left_out not in self._told:
            self._told.add(left_out)
            yield events.Notice("settings_unheard", left_out)

    def _failed(self, error: Exception, job: str) -> events.Failed:
        if isinstance(error, UserError):
            return events.Failed(error.message, error.hint, job=job)
        if is_out_of_memory(error):
            self._holder.let_go()
            return events.Failed(
                "The memory was not enough for these answers.",
                "Ask for fewer or shorter ones, or use a smaller model.",
                job=job,
            )
        return events.Failed("Something went wrong in the model process.", "", traceback.format_exc(), job)


def _greet(base: str) -> Iterator[events.Event]:
    """See that a server is there and has the model; raises UserError otherwise."""
    started = time.monotonic()
    yield events.ModelLoading(base, "asking the server for its models")
    server = Server(parse(base))
    try:
        server.check()
    finally:
        server.close()
    yield events.ModelLoaded(base, None, "server", "", 0, 0, "", time.monotonic() - started)


def _answer(
    loaded: LoadedModel,
    work: Work,
    groups: Sequence[Group],
    model: tuple[str, str | None],
    cancelled: Callable[[], bool],
) -> Iterator[events.Event]:
    """A model in memory answers groups, several at once.

    Args:
        model: its base and adapter, for what the groups want from it.
    """
    name = work.name
    began: dict[int, float] = {}

    def wishes() -> Iterator[Wish]:
        for place, group in enumerate(groups):
            began[place] = time.monotonic()
            yield Wish(place, group.item.messages, work.wanted(group, *model), group.taken)

    for place, said in draw(loaded, wishes(), cancelled=cancelled):
        group = groups[place]
        number = group.item.group
        match said:
            case TextPiece():
                yield events.TokensDecoded(name, number, said.candidate, said.text)
            case Answer():
                settings = work.settings(group, said.candidate)
                work.ended(group, said.candidate, said.text, len(said.token_ids))
                yield _finished(name, number, said, loaded.tokenizer_hash)
                if said.repeats:
                    yield _repeat_notice(said.candidate, settings)
            case UserError():
                yield work.refuse(group, said.message, said.hint)
            case Ended():
                yield from work.spent(group, time.monotonic() - began[place])


def _ask(
    server: Server,
    work: Work,
    group: Group,
    wanted: Mapping[int, SamplingSettings],
    cancelled: Callable[[], bool],
) -> Iterator[events.Event]:
    """A server answers a group."""
    started = time.monotonic()
    try:
        for said in server.answer(work.name, group.item, wanted, cancelled, taken=frozenset(group.taken)):
            if isinstance(said, Counted):
                work.ended(group, said.event.candidate, said.event.text, said.tokens)
                yield said.event
                if said.repeats:
                    yield _repeat_notice(said.event.candidate, wanted[said.event.candidate], by_server=True)
            else:
                yield said
    except RefusedError as error:
        yield work.refuse(group, error.message, error.hint)
        return
    yield from work.spent(group, time.monotonic() - started)


def _finished(job: str, group: int, answer: Answer, tokenizer_hash: str) -> events.CompletionFinished:
    return events.CompletionFinished(
        job=job,
        group=group,
        candidate=answer.candidate,
        text=answer.text,
        token_ids=answer.token_ids,
        tokenizer_hash=tokenizer_hash,
        logp=answer.logp,
        finish_reason=answer.finish_reason,
        seed=answer.seed,
    )


def _repeat_notice(candidate: int, sampling: SamplingSettings, *, by_server: bool = False) -> events.Notice:
    if sampling.temperature == 0:
        why = "at temperature 0 the model always gives the same answer"
    elif by_server:
        why = "the server gave it for another seed too; see whether it is set to draw at random"
    else:
        why = "drawing it again gave the same text; a higher temperature would vary it"
    return events.Notice("same_answer", f"Answer {candidate + 1} is the same as another one: {why}.")
