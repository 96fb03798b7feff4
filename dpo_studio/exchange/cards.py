"""The README of an export: a data card or a model card, written from the project's facts alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dpo_studio import __version__
from dpo_studio.core.methods import METHODS
from dpo_studio.store import Project

from .writing import MARK

if TYPE_CHECKING:
    from .adapter import RunFacts
    from .dataset import Plan

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_WHOSE = "`annotator` and `annotator_kind` (`person`, or `judge`: rules or a model)"
_COLUMNS = {
    "preference": "`prompt` (messages), `chosen` and `rejected` (one assistant message each): the explicit,"
    f" conversational preference format that TRL's `DPOTrainer` takes. Also {_WHOSE}.",
    "ranking": "`prompt` (messages), `completions`, and `ranks` per completion: 1 is best, equal ranks are ties, null"
    " is unranked (below all ranked ones, order unknown). Also `group`,"
    f" {_WHOSE}, `strength` (1 better, 2 much better), `note`, `flags`, `finish_reasons` and `held_out`.",
}


def data_card(project: Project, planned: Plan, *, file_format: str) -> str:
    """The README of a data set; its header tells `datasets.load_dataset` the splits."""
    total = sum(planned.counts.values())
    header = {
        "pretty_name": f"{project.folder.name}: {_title(planned)}",
        "tags": ["preference", "dpo", "trl", "dpo-studio"],
        "task_categories": ["text-generation"],
        "size_categories": [next((name for bound, name in _SIZES if total < bound), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{split}.{file_format}"} for split in planned.splits],
            }
        ],
    }
    lines = [*_header(header), f"# {project.folder.name}: {_title(planned)}", ""]
    if project.guideline.strip():
        lines += ["## What “better” means here", "", _quote(project.guideline), ""]
    lines += ["## What is in it", "", _COLUMNS[planned.kind], "", "| split | rows |", "|---|---|"]
    lines += [f"| {split} | {rows:,} |" for split, rows in planned.counts.items()]
    lines += ["", f"From {planned.rankings:,} rankings, as they stood when this was written."]
    if planned.by_judges:
        lines += [f"{planned.by_judges:,} of them were made by judges (rules or a model), not by people."]
        lines += ["`annotator_kind` says which rows they are."]
    if planned.kind == "preference":
        lines += [_PAIRS[planned.pairs]]
    if "test" in planned.splits:
        lines += ["`test` holds the prompts that were held out: nothing in this project was trained on them."]
    lines += ["", "## What is left out", ""]
    lines += [f"- {item.count:,} {item.what}" for item in planned.left_out] or ["Nothing."]
    lines += [
        "",
        "## How to open it",
        "",
        "```python",
        "from datasets import load_dataset",
        'data = load_dataset("this/folder")',
        "```",
        "",
        _made_with(),
    ]
    return "\n".join(lines)


def model_card(facts: RunFacts, *, guideline: str, whole: bool = False) -> str:
    """The README of an adapter, or of a whole model."""
    library = "transformers" if whole else "peft"
    header: dict[str, Any] = {"library_name": library, "pipeline_tag": "text-generation"}
    if _HUB_ID.fullmatch(facts.base):
        header["base_model"] = facts.base
    header["tags"] = [*([] if whole else ["lora"]), "dpo", "preference", "dpo-studio"]
    lines = [*_header(header), f"# {facts.run.name}", ""]
    what = f"A model that began as `{facts.base}`" if whole else f"A LoRA adapter for `{facts.base}`"
    lines += [f"{what}, trained on preferences.", ""]
    if guideline.strip():
        lines += ["## What it was to learn", "", _quote(guideline), ""]
    lines += ["## How it was trained", ""]
    method = str(facts.settings.get("method", ""))
    title = f"{METHODS[method].title} ({METHODS[method].paper})" if method in METHODS else method
    lines += [f"- Method: {title}"]
    lines += [f"- Data: {facts.groups:,} rankings; {facts.held_out_groups:,} more, of held-out prompts, to measure on"]
    if facts.ending is not None:
        ends = {"finished": "to its end", "drifted": f"of which the first {facts.ending.kept_step:,} are kept"}
        how = ends.get(facts.ending.reason, "until it was stopped")
        lines += [f"- Optimiser steps: {facts.ending.steps:,}, {how}, {facts.ending.seconds:,.0f} s"]
    if facts.device:
        lines += [f"- Machine: {facts.device}, frozen weights in {facts.dtype}"]
    lines += ["", *_measurements(facts), "## Settings", "", "| setting | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in sorted(facts.settings.items())]
    lines += [
        "",
        "## How to use it",
        "",
        "```python",
        *(
            [
                "from transformers import AutoModelForCausalLM, AutoTokenizer",
                'model = AutoModelForCausalLM.from_pretrained("this/folder")',
                'tokenizer = AutoTokenizer.from_pretrained("this/folder")',
            ]
            if whole
            else [
                "from peft import AutoPeftModelForCausalLM",
                'model = AutoPeftModelForCausalLM.from_pretrained("this/folder")',
            ]
        ),
        "```",
        "",
        _made_with(),
    ]
    return "\n".join(lines)


_PAIRS = {
    "all": "Every strictly ordered pair of a ranking is a row; ties make no pair.",
    "best_worst": "Each ranking gives one row: its best answer against its worst.",
}


def _measurements(facts: RunFacts) -> list[str]:
    last = facts.ending.metrics if facts.ending is not None else {}
    names = [name for name in ("loss", "accuracy", "margin", "reward_best", "reward_worst") if _any(name, facts, last)]
    if not names:
        return []
    rows = [
        f"| {name} | {_number(last, name)} | {_number(facts.before, name)} | {_number(facts.after, name)} |"
        for name in names
    ]
    head = "| | end of training | held out, before | held out, after |"
    note = "Accuracy is the share of ordered pairs that the implicit rewards order as the labels do."
    return ["## What was measured", "", head, "|---|---|---|---|", *rows, "", note, ""]


def _any(name: str, facts: RunFacts, last: Mapping[str, float | None]) -> bool:
    return any(metrics.get(name) is not None for metrics in (last, facts.before, facts.after))


def _number(metrics: Mapping[str, float | None], name: str) -> str:
    value = metrics.get(name)
    return "–" if value is None else f"{value:.3f}"


def _title(planned: Plan) -> str:
    return "preference pairs" if planned.kind == "preference" else "rankings"


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def _made_with() -> str:
    return f"Made with DPO Studio {__version__}.\n"


def _header(values: Mapping[str, Any]) -> list[str]:
    """YAML front matter. JSON values are YAML values, so no text needs quoting rules of its own."""
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return ["---", *lines, "---", "", MARK, ""]
