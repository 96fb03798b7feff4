"""A generation job while it is worked off: what each group still wants, from which model, and what it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dpo_studio.core import commands, events
from dpo_studio.core.settings import SamplingSettings

#: Groups that one adapter answers before the next one is put in its place.
TOGETHER = 4


@dataclass(slots=True)
class Group:
    """A group that is being answered.

    Attributes:
        wanted: candidates to draw and their source, an index into `Work.sources`.
        taken: the answers it has, without white space at the ends.
        seconds, tokens: what its answers took so far; seconds while others were answered beside it count.
    """

    item: commands.GenerationItem
    wanted: dict[int, int]
    taken: set[str]
    seconds: float = 0.0
    tokens: int = 0
    refused: bool = False


class Work:
    """The groups of one command.

    Attributes:
        name: the job's, for its events.

    Raises:
        UserError: settings of the command cannot be used.
    """

    def __init__(self, command: commands.Generate) -> None:
        self.name, self.device = command.job, command.device
        self.sources = command.sources
        self.samplings = [SamplingSettings.from_json(source.sampling).validate() for source in self.sources]
        self.groups = [
            Group(item, {each: item.source_of(each) for each in item.candidates}, {text.strip() for text in item.taken})
            for item in command.items
        ]

    @property
    def bases(self) -> list[str]:
        """The bases that something is wanted from, in the order of the sources."""
        wanted = {source for group in self.groups for source in group.wanted.values()}
        return list(dict.fromkeys(source.base for index, source in enumerate(self.sources) if index in wanted))

    def parts(self, base: str) -> Iterator[tuple[list[Group], str | None]]:
        """Groups with an adapter of this base that they want something from.

        They come all together where they want one adapter, and else a few at a time, so that groups are whole soon.
        """
        adapters = dict.fromkeys(source.adapter for source in self.sources if source.base == base)
        several = len({each for group in self.groups for each in adapters if self.wanted(group, base, each)}) > 1
        count = TOGETHER if several else max(1, len(self.groups))
        for first in range(0, len(self.groups), count):
            for adapter in adapters:
                some = self.groups[first : first + count]
                wanting = [group for group in some if not group.refused and self.wanted(group, base, adapter)]
                if wanting:
                    yield wanting, adapter

    def wanted(self, group: Group, base: str, adapter: str | None) -> dict[int, SamplingSettings]:
        """The settings of each candidate that a group wants from this model, in the order of the candidates."""
        return {
            candidate: self.samplings[index]
            for candidate, index in group.wanted.items()
            if (self.sources[index].base, self.sources[index].adapter) == (base, adapter)
        }

    def settings(self, group: Group, candidate: int) -> SamplingSettings:
        """Of a candidate that is wanted still."""
        return self.samplings[group.wanted[candidate]]

    def ended(self, group: Group, candidate: int, text: str, tokens: int) -> None:
        """An answer has come."""
        group.wanted.pop(candidate, None)
        group.taken.add(text.strip())
        group.tokens += tokens

    def refuse(self, group: Group, message: str, hint: str) -> events.GroupRefused:
        """A group cannot be answered; no further model is asked for it in this job."""
        group.refused = True
        return events.GroupRefused(self.name, group.item.group, message, hint)

    def spent(self, group: Group, seconds: float) -> Iterator[events.Event]:
        """Count time; says that the group is finished where nothing more is wanted."""
        group.seconds += seconds
        if not group.wanted:
            yield events.GroupFinished(self.name, group.item.group, group.seconds, group.tokens)
