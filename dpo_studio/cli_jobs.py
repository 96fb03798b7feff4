"""Commands that use a model: generate, in this process, and train, in the background process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from dpo_studio.cli_output import STOPPED, Reporter, interruptions, reports
from dpo_studio.core.errors import UserError
from dpo_studio.core.recipes import SPREADS
from dpo_studio.core.settings import METHODS, SAMPLING_PRESETS, SamplingSettings
from dpo_studio.core.stop_texts import from_typed

_NUMBERS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens", "seed")


def _number_options(command: Any) -> Any:
    """An option for each number of SamplingSettings; None is "as the preset says"."""
    defaults = SamplingSettings()
    for name in reversed(_NUMBERS):
        default = getattr(defaults, name)
        option = click.option(f"--{name.replace('_', '-')}", type=type(default), help=f"Default {default}.")
        command = option(command)
    return command


@click.command("generate")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--k", type=int, default=SamplingSettings().k, show_default=True, help="Answers to each prompt.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="A Hub id, a folder, a .gguf file, openai:URL#MODEL for a server's, or starter (the default).",
)
@click.option(
    "--run",
    "run_names",
    multiple=True,
    help="Answer with the model that this run made. Several --run and --model take turns over each prompt's answers;"
    " base is the model that the other runs began with.",
)
@click.option(
    "--spread",
    type=click.Choice(list(SPREADS)),
    default="none",
    show_default=True,
    help="How temperature and top-p vary over a prompt's answers: slight ±20% of the temperature, wide ±40%.",
)
@click.option("--preset", type=click.Choice(list(SAMPLING_PRESETS)), default="balanced", show_default=True)
@_number_options
@click.option("--stop", multiple=True, metavar="TEXT", help=r"End before this text; may be repeated. \n: a line break.")
@click.option(
    "--prompts",
    "which",
    type=click.Choice(["new", "all"]),
    default="new",
    show_default=True,
    help="new: those never asked for answers; all: every prompt once more.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most this many prompts.")
@click.option("--continue", "go_on", is_flag=True, help="Only finish the groups that wait for answers.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True)
@reports
def generate_command(out: Reporter, project: Path, **asked: Any) -> int | None:
    """Draw K answers to each prompt and keep them as they finish.

    Ctrl+C keeps what is finished; --continue goes on from there.
    """
    from dpo_studio import cli_generate
    from dpo_studio.store import Project

    sampling = _sampling(asked)
    with (
        Project.open(project) as opened,
        interruptions(lambda: out.progress("Stopping; finished answers are kept…")) as stopped,
    ):
        answering = cli_generate.Answering(opened, device=asked["device"], cancelled=stopped, report=out.progress)
        groups = cli_generate.queue(
            opened,
            sampling,
            models=asked["models"],
            run_names=asked["run_names"],
            spread=asked["spread"],
            every_prompt=asked["which"] == "all",
            limit=asked["limit"],
            go_on=asked["go_on"],
            check=answering.load,
        )
        made = answering.answer(groups)
        if made.refused and not made.groups and not made.cancelled:
            first = made.refused[0]
            raise UserError(first["message"], first["hint"])
        out.result(made.to_json(), made.sentence())
        return STOPPED if made.cancelled else None


def _sampling(asked: dict[str, Any]) -> SamplingSettings:
    numbers = {name: asked[name] for name in _NUMBERS if asked[name] is not None}
    preset = SAMPLING_PRESETS[asked["preset"]][1]
    stop = [from_typed(text) for text in asked["stop"]]
    return SamplingSettings.from_json({"k": asked["k"], **preset, **numbers, "stop": stop}).validate()


@click.command("train")
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(list(METHODS)), help="Default: pl_dpo for rankings, dpo for pairs.")
@click.option("--settings", "settings_file", type=click.Path(path_type=Path), help="A JSON file of settings.")
@click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="One setting; may be repeated.")
@click.option("--model", help="The model to train. Default: the one that gave the labelled answers.")
@click.option("--run-from", help="Go on from the model that this run made: the next round.")
@click.option("--judges", default="", metavar="NAME|all", help="Rankings of a judge too, where no person judged.")
@click.option("--name", default="", help="What to call the run.")
@click.option("--resume", help="Go on with an interrupted run from its last checkpoint.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="How many share the work.")
@click.option("--prepare-only", is_flag=True, help="Make the run's folder, say how to train it, and leave it at that.")
@click.option("--estimate", is_flag=True, help="Measure a step, say what the run would take, and do not train.")
@reports
def train_command(
    out: Reporter, project: Path, resume: str | None, processes: int, prepare_only: bool, estimate: bool, **asked: Any
) -> int | None:
    """Train on the project's rankings, in a background process that this command follows.

    Ctrl+C stops after the step in hand and keeps the adapter; a second one leaves it to itself.
    """
    from dpo_studio import cli_train
    from dpo_studio.store import Project

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "This command was launched in several processes, and each would make a run of its own.",
            "Say --processes here, or launch the worker of a run made with --prepare-only.",
        )
    if resume and any(asked.values()):
        raise UserError(
            "A resumed run keeps its own settings.", "Leave the other options out, or start a new run with them."
        )
    if asked["model"] and asked["run_from"]:
        raise UserError("--model and --run-from both name what to train.", "Give one of them.")
    if estimate and (resume or prepare_only):
        raise UserError("--estimate makes no run and goes on with none.", "Leave --resume and --prepare-only out.")
    with Project.open(project) as opened:
        if resume:
            run = cli_train.find_to_resume(opened, resume)
        else:
            given, name = _settings_file(asked.pop("settings_file")), asked.pop("name")
            if estimate:
                out.result(*cli_train.estimate(opened, given=given, report=out.progress, **asked))
                return None
            run = cli_train.prepare(opened, given=given, name=name, report=out.progress, **asked)
        if prepare_only:
            out.result(*cli_train.how_to_train(opened, run, processes=processes))
            return None
        ended = cli_train.follow(opened, run, processes=processes, report=out.progress)
        out.result(ended.to_json(), ended.sentence())
        return STOPPED if ended.interrupted else None


def _settings_file(path: Path | None) -> dict[str, Any]:
    """The settings of a JSON file: a plain object, or the settings.json of a run's folder."""
    if path is None:
        return {}
    try:
        values = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the name of the settings file.") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.", 'Write it as {"beta": 0.2, "epochs": 3}.') from error
    if isinstance(values, dict) and isinstance(values.get("training"), dict):
        values = values["training"]
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no settings.", 'Write it as {"beta": 0.2, "epochs": 3}.')
    return values
