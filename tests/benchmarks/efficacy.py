"""Does training on 30 rankings change what the model answers to prompts nobody labelled?

    python -m tests.benchmarks.efficacy [--seeds 0,1,2] [--preferences personal,warm,plain] [--set NAME=VALUE …]

A simulated labeller ranks four answers to each of 30 prompts by a stated preference that is not length; the
starter model is trained with the default settings by PL-DPO on the rankings, by DPO on all their pairs, and by DPO
on best against worst; then it answers 100 unseen prompts afresh. A win is an answer that keeps the preference
better than the starting model's to the same prompt, and a tie is half a win. `worst` and `Δ best` are the reward of
the worst answers and the log-ratio of the best in nats, over the last pass; `kept` and `loops` count answers.

Seeds differ in the split of the prompts, the answers and the training. Some minutes a line on two cores;
`--out FILE` keeps each line as it is made, and lines that are in the file are not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from dpo_studio.core import events
from dpo_studio.core.recommended import recommend
from dpo_studio.core.settings import TrainingSettings, parse_assignments
from dpo_studio.evaluation.intervals import wilson
from dpo_studio.evaluation.stated_preferences import PERSONAL, PLAIN, WARM, StatedPreference, words
from dpo_studio.generation.sampler import Answer
from dpo_studio.models import cache
from dpo_studio.models.load import LoadedModel, load
from dpo_studio.store import runs
from dpo_studio.training import batches, engine
from dpo_studio.training.kl import vocabulary_kl
from tests.benchmarks import efficacy_answers as answers

PREFERENCES = {preference.name: preference for preference in (PERSONAL, WARM, PLAIN)}
ARMS = {"pl_dpo": "PL-DPO", "dpo_pairs": "DPO, all pairs", "dpo_best_worst": "DPO, best v. worst"}
KL_ANSWERS = 25
LOOP_SHARE = 0.5
LAST_PASS = ("accuracy", "reward_worst", "logratio_best")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated")
    parser.add_argument("--preferences", default=",".join(PREFERENCES))
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--unseen", type=int, default=answers.UNSEEN, help="fewer for a quick look")
    parser.add_argument("--dtype", default="auto", help="of the weights, for the same one on a busy machine")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="instead of the default")
    parser.add_argument("--out", type=Path, help="a JSON-lines file that keeps each line")
    options = parser.parse_args()
    lines = _read(options.out)
    for seed in (int(text) for text in options.seeds.split(",")):
        for preference in options.preferences.split(","):
            for arm in options.arms.split(","):
                key = {"seed": seed, "preference": preference, "arm": arm, "set": options.set, "unseen": options.unseen}
                if not any(key.items() <= line.items() for line in lines):
                    line = {
                        **key,
                        **measure(
                            PREFERENCES[preference], arm, seed, options.set, unseen=options.unseen, dtype=options.dtype
                        ),
                    }
                    lines.append(line)
                    if options.out:
                        with options.out.open("a", encoding="utf-8") as file:
                            file.write(json.dumps(line) + "\n")
                    print(_row(line), flush=True)
    print(table(lines))


def _read(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def settings_of(arm: str, groups: int, seed: int, assignments: Sequence[str]) -> TrainingSettings:
    """The default settings for this many rankings, for the arm."""
    settings = recommend(groups).settings
    settings = dataclasses.replace(settings, method="pl_dpo" if arm == "pl_dpo" else "dpo", seed=seed)
    return parse_assignments(settings, assignments)


def measure(
    preference: StatedPreference, arm: str, seed: int, assignments: Sequence[str], *, unseen: int, dtype: str
) -> dict[str, Any]:
    """Label, train, answer and compare once: a line of the table."""
    loaded = load("starter", dtype=dtype)
    drawn = answers.draw(loaded, seed, unseen=unseen, kept_in=cache.root().parent / "efficacy")
    hashed = loaded.tokenizer_hash
    del loaded
    with tempfile.TemporaryDirectory() as scratch:
        project, base = answers.label(
            Path(scratch) / "project",
            drawn,
            preference,
            tokenizer_hash=hashed,
            best_against_worst=arm == "dpo_best_worst",
        )
        with project:
            groups = len(runs.training_data(project).train)
            run_settings = settings_of(arm, groups, seed, [f"dtype={dtype}", *assignments])
            run = runs.create(project, base, run_settings)
            if not run_settings.max_kl:  # which is measured on fresh answers while it trains; others are drawn below
                (project.folder / run.folder / runs.PROMPTS_FILE).write_text("")
            said = list(engine.train(project.folder / run.folder))
            done = said[-1]
            assert isinstance(done, events.RunDone), done
            tuned = load("starter", adapter=project.folder / run.folder / done.adapter, dtype=dtype)
        # The last pass, in which every group is met once: a single step sees only a few.
        taken = [event.metrics for event in said if isinstance(event, events.StepDone)]
        last_pass = taken[-batches.steps_per_epoch(groups, run_settings.batch_groups) :]
        before = [found for _, found in drawn.unseen]
        prompts = [prompt for prompt, _ in drawn.unseen]
        after = answers.fresh_answers(tuned, prompts, seed=seed)
        kl = [divergence(tuned, prompt, found) for prompt, found in zip(prompts, after[:KL_ANSWERS], strict=False)]
    levels = [[-preference.level(a.text, a.finish_reason) for a in some] for some in (after, before)]
    return {
        "wins": sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in zip(*levels, strict=True)),
        "n": len(after),
        "kept": [sum(preference.keeps(a.text, a.finish_reason) for a in some) for some in (before, after)],
        "kl": statistics.fmean(kl),
        "words": [statistics.fmean(len(words(a.text)) for a in some) for some in (before, after)],
        "distinct_2": [statistics.fmean(distinct_2(a.text) for a in some) for some in (before, after)],
        "looping": [sum(distinct_2(a.text) < LOOP_SHARE for a in some) for some in (before, after)],
        "groups": groups,
        "steps": done.steps,
        "kept_step": done.kept_step,
        "seconds": done.seconds,
        **{name: statistics.fmean(m[name] or 0.0 for m in last_pass) for name in LAST_PASS},
        "examples": [[b.text, a.text] for b, a in zip(before[:3], after[:3], strict=True)],
    }


@torch.no_grad()
def divergence(tuned: LoadedModel, prompt: str, found: Answer) -> float:
    """KL(tuned ‖ base) in nats along one answer: the exact one of each place, summed (arXiv 2504.10637).

    The answers are drawn as the benchmark draws them, cut and at temperature 0.8, so this is the divergence along
    the answers that a person would see.
    """
    asked = tuned.chat.prompt_ids(answers.conversation(prompt))
    tokens = torch.tensor([[*asked, *found.token_ids]], device=tuned.device)
    at = slice(len(asked) - 1, -1)
    new = tuned.model(input_ids=tokens, use_cache=False).logits[0, at].float()
    with tuned.model.disable_adapter():
        old = tuned.model(input_ids=tokens, use_cache=False).logits[0, at].float()
    return float(vocabulary_kl(new, old).sum())


def distinct_2(text: str) -> float:
    """The share of a text's word pairs that are distinct; 1 for fewer than two words."""
    found = words(text)
    pairs = list(zip(found, found[1:], strict=False))
    return len(set(pairs)) / len(pairs) if pairs else 1.0


def table(lines: Sequence[dict[str, Any]]) -> str:
    """The lines of each preference and arm together: sums of wins, means of the rest, over the seeds."""
    out = [_HEAD]
    kinds = dict.fromkeys((line["preference"], line["arm"], tuple(line["set"])) for line in lines)
    for kind in kinds:
        some = [line for line in lines if (line["preference"], line["arm"], tuple(line["set"])) == kind]
        joined = {"preference": kind[0], "arm": kind[1], "set": list(kind[2]), "seed": f"{len(some)} seeds"}
        for name in ("wins", "n"):
            joined[name] = sum(line[name] for line in some)
        for name in ("kl", "groups", "steps", "seconds", "reward_worst", "logratio_best"):
            joined[name] = statistics.fmean(line[name] for line in some)
        for name in ("kept", "words", "distinct_2", "looping"):
            joined[name] = [statistics.fmean(line[name][i] for line in some) for i in (0, 1)]
        out.append(_row(joined))
    return "\n".join(out)


_HEAD = (
    f"{'preference':10} {'trained by':19} {'seed':7} {'wins (95 % interval)':22} {'kept':>10} {'KL':>6} {'groups':>6}"
    f" {'steps':>5} {'s':>5} {'words':>11} {'distinct-2':>11} {'loops':>9} {'worst':>6} {'Δ best':>7}"
)


def _row(line: dict[str, Any]) -> str:
    share = wilson(line["wins"], line["n"])
    wins = f"{share.value:.0%} ({share.low:.0%}-{share.high:.0%}) of {share.n}"
    return (
        f"{line['preference']:10} {ARMS[line['arm']]:19} {line['seed']!s:7} {wins:22} {_pair(line['kept'], '.0f'):>10}"
        f" {line['kl']:6.1f} {line['groups']:6.0f} {line['steps']:5.0f} {line['seconds']:5.0f}"
        f" {_pair(line['words'], '.0f'):>11} {_pair(line['distinct_2'], '.2f'):>11} {_pair(line['looping'], '.0f'):>9}"
        f" {line['reward_worst']:6.1f} {line['logratio_best']:7.1f} {' '.join(line['set'])}"
    ).rstrip()


def _pair(values: Sequence[float], form: str) -> str:
    return " > ".join(format(value, form) for value in values)


if __name__ == "__main__":
    main()
