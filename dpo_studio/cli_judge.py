"""The command that has a judge rank groups: by rules, with a local model, or with a server's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpo_studio.cli_output import STOPPED, Reporter, counted, interruptions, reports
from dpo_studio.core import events, judge_rules
from dpo_studio.core.errors import UserError
from dpo_studio.core.judge_order import goes_by_order
from dpo_studio.core.judge_order import sentence as order_sentence
from dpo_studio.core.judges import TIE_BELOW, Judge, plain

if TYPE_CHECKING:
    from dpo_studio.store import Project

#: Groups that are handed to the judge at once.
BATCH = 64


@click.command("judge")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--rule", "rules", multiple=True, metavar="RULE", help=f"One of {', '.join(judge_rules.RULES)}.")
@click.option("--model", help="A local model that judges: a Hub id, a folder, a .gguf file, or starter.")
@click.option("--server", help="A server's model that judges: openai:URL#MODEL.")
@click.option(
    "--principles",
    "principles_file",
    type=click.Path(path_type=Path),
    help="A text file of principles. Default: those kept in the project, else its guideline.",
)
@click.option(
    "--tie-below",
    type=float,
    default=TIE_BELOW,
    show_default=True,
    help="Answers tie where the model is less sure than this which is better.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most this many groups.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@reports
def judge_command(out: Reporter, project: Path, limit: int | None, device: str, **asked: Any) -> int | None:
    r"""Rank the groups of PROJECT that this judge has not ranked yet. People's labels stay apart from a judge's.

    \b
    Rules, the first that tells two answers apart decides:
      shorter[:WORDS]  longer[:WORDS]  max-words:WORDS
      matches:REGEX    avoids:REGEX    format:FORMAT
      finished         no-refusal

    A model is shown two answers at a time, each pair in both orders, and asked which keeps the principles better; the
    two orders are averaged. Run it again to go on; Ctrl+C keeps what is done. Training and exports take people's labels
    only, unless --judges asks for a judge's.
    """
    from dpo_studio.store import Project

    with (
        Project.open(project) as opened,
        interruptions(lambda: out.progress("Stopping; what is judged is kept…")) as stopped,
    ):
        judge = judge_of(opened, **asked)
        done = run(opened, judge, limit=limit, device=device, cancelled=stopped, report=out.progress)
        out.result(done.to_json(), done.sentence())
        return STOPPED if done.cancelled else None


def judge_of(
    project: Project,
    *,
    rules: tuple[str, ...],
    model: str | None,
    server: str | None,
    principles_file: Path | None,
    tie_below: float,
) -> Judge:
    """The judge that options ask for.

    Raises:
        UserError: none or several are named, or what it decides by is missing.
    """
    from dpo_studio.store import judgements, requests

    named = [name for name, given in (("--rule", rules), ("--model", model), ("--server", server)) if given]
    if len(named) != 1:
        raise UserError(
            f"{' and '.join(named)} name different judges." if named else "No judge is named.",
            "Give one of --rule, --model and --server.",
        )
    if rules:
        if principles_file is not None:
            raise UserError("Rules need no principles.", "Leave --principles out, or name a model that judges.")
        return Judge("rules", rules=rules).validate()
    base = requests.model_reference(str(model or server))
    if server and not base.startswith("openai:"):
        raise UserError(f"{server} is not a server's address.", "Write it as openai:http://host:port/v1#model-name.")
    principles = judgements.principles(project) if principles_file is None else _read(principles_file)
    return Judge(
        "model", base=base, model_name=requests.name_of(base), principles=plain(principles), tie_below=tie_below
    ).validate()


@dataclass(slots=True)
class Done:
    """What a judge did. Counts as in core.events.GroupJudged; `left` groups still wait for this judge.

    Attributes:
        judged, no_opinion: groups that it ranked, and those it looked at without an opinion.
    """

    judge: str
    judged: int = 0
    no_opinion: int = 0
    pairs: int = 0
    disagreements: int = 0
    first_shown: int = 0
    asked: int = 0
    unanswered: int = 0
    left: int = 0
    seconds: float = 0.0
    cancelled: bool = False
    not_judged: list[dict[str, Any]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Groups that it looked at, or could not."""
        return self.judged + self.no_opinion + len(self.not_judged)

    def to_json(self) -> dict[str, Any]:
        from dpo_studio.evaluation.intervals import wilson

        share = wilson(self.disagreements, self.pairs) if self.pairs else None
        return {
            "judge": self.judge,
            "judged": self.judged,
            "no_opinion": self.no_opinion,
            "not_judged": self.not_judged,
            "left": self.left,
            "pairs": self.pairs,
            "disagreements": self.disagreements,
            "disagreement": None if share is None else share.value,
            "disagreement_interval": None if share is None else [share.low, share.high],
            "first_shown": self.first_shown,
            "by_order": goes_by_order(self.pairs, self.disagreements),
            "asked": self.asked,
            "unanswered": self.unanswered,
            "seconds": round(self.seconds, 3),
            "cancelled": self.cancelled,
        }

    def sentence(self) -> str:
        from dpo_studio.evaluation.intervals import wilson

        said = [f"{self.judge} ranked {counted(self.judged, 'group')} in {self.seconds:.1f} s."]
        if self.no_opinion:
            said.append(f"It had no opinion on {counted(self.no_opinion, 'group')}.")
        verdict = order_sentence(self.pairs, self.disagreements, self.first_shown)
        if verdict:
            said.append(verdict)
        elif self.pairs:
            said.append(
                f"The two orders of a pair named different answers in {self.disagreements:,} of"
                f" {counted(self.pairs, 'pair')}: {wilson(self.disagreements, self.pairs)}."
            )
        answered = self.asked - self.unanswered
        if answered and not verdict:
            said.append(f"It named the answer shown first {self.first_shown / answered:.0%} of the time.")
        if self.unanswered:
            said.append(f"{self.unanswered:,} of {counted(self.asked, 'question')} got neither A nor B as an answer.")
        if self.not_judged:
            said.append(f"{counted(len(self.not_judged), 'group')} not judged: {self.not_judged[0]['message']}")
        if self.left:
            said.append(f"{counted(self.left, 'group waits', 'groups wait')} for it: run it again to go on.")
        return " ".join(said)


def run(
    project: Project,
    judge: Judge,
    *,
    limit: int | None,
    device: str,
    cancelled: Callable[[], bool],
    report: Callable[[str], None],
) -> Done:
    """Judge what waits for this judge, in this process, keeping each ranking as it comes.

    Raises:
        UserError: nothing waits, or the judge cannot be used; what it ranked before is kept.
    """
    from dpo_studio.judging.service import Judging
    from dpo_studio.store import judgements

    todo = judgements.waiting(project, judge, limit=limit)
    if not todo:
        raise UserError(*judgements.why_nothing(project, judge))
    judging, done, started = Judging(), Done(judge.name), time.monotonic()
    for begin in range(0, len(todo), BATCH):
        command = judgements.command_for(project, judge, todo[begin : begin + BATCH], device=device)
        for event in judging.run(command, cancelled):
            _take(project, judge, event, done, len(todo), report)
        if done.cancelled:
            break
    done.left = judgements.count_waiting(project, judge) - len(done.not_judged)
    done.seconds = time.monotonic() - started
    return done


def _take(
    project: Project, judge: Judge, event: events.Event, done: Done, total: int, report: Callable[[str], None]
) -> None:
    from dpo_studio.store import judgements

    match event:
        case events.ModelLoading():
            report(f"{event.base}: {event.stage}")
        case events.GroupJudged():
            judgements.record(project, judge, event)
            done.judged += bool(event.ranks)
            done.no_opinion += not event.ranks
            done.pairs += event.pairs
            done.disagreements += event.disagreements
            done.first_shown += event.first_shown
            done.asked += event.asked
            done.unanswered += event.unanswered
            if judge.kind == "model":
                report(f"{done.seen}/{total}  {event.seconds:5.1f} s  {event.note}")
        case events.GroupNotJudged():
            judgements.record(project, judge, event)
            done.asked += event.asked
            done.unanswered += event.unanswered
            done.not_judged.append({"group": event.group, "message": event.message, "hint": event.hint})
            report(f"not judged: {event.message}")
        case events.JobFinished():
            done.cancelled = event.reason == "cancelled"
        case events.Failed():
            if event.details:
                raise RuntimeError(f"{event.message}\n{event.details}")
            raise UserError(event.message, event.hint)


def _read(path: Path) -> str:
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}.", "Check the name of the principles' file."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8.", "Save it as UTF-8.") from error
    if not text.strip():
        raise UserError(f"{path} is empty.", "Write the principles into it, one a line.")
    return text
