"""Projects with labels, and runs that say what a real one would, for the tests of the Train page."""

from __future__ import annotations

import math
from pathlib import Path

from dpo_studio.core import events
from dpo_studio.core.settings import TrainingSettings
from dpo_studio.core.types import Message, Run
from dpo_studio.jobs.training import EVENTS_FILE
from dpo_studio.store import Project, completions, policies, prompts, rankings, runs

STEPS = 32


def project_with_labels(folder: Path, *, rankings_count: int = 28, held_out: int = 4, ties: int = 2) -> Project:
    """A project with a base policy and this many rankings of four on as many prompts."""
    project = Project.create(folder)
    policy = policies.add(project, "starter")
    kinds = ["train"] * rankings_count + ["held out"] * held_out + ["tie"] * ties
    for index, kind in enumerate(kinds):
        prompt = prompts.add(project, [Message("user", f"How do I keep {index} plants alive while I travel?")])
        prompts.set_held_out(project, prompt.id, kind == "held out")
        group = completions.add_group(project, prompt.id, size=4, policy_id=policy.id)
        for candidate in range(4):
            completions.add(project, group.id, f"Answer {candidate} about {index} plants.", policy_id=policy.id)
        group = completions.get_group(project, group.id)
        rankings.add(project, group, ranks=[1, 1, 1, 1] if kind == "tie" else [2, 1, 4, 3])
    for index in range(4):
        prompts.add(project, [Message("user", f"Suggest {index + 2} names for a quiet café by the sea.")])
    return project


def new_run(project: Project, **settings: object) -> Run:
    """A run's row and folder, with nothing said yet."""
    return runs.create(project, policies.all_policies(project)[0], TrainingSettings.from_json(settings))


def started(*, first_step: int = 0, steps: int = STEPS) -> events.RunStarted:
    return events.RunStarted(
        steps=steps,
        groups=28,
        held_out_groups=4,
        device="cpu",
        dtype="bfloat16",
        parameters=134_515_008,
        trainable_parameters=4_884_480,
        first_step=first_step,
    )


def step_done(step: int, *, noise: float = 1.0) -> events.StepDone:
    """A step of a run that learns: the margin rises to 1.6, the loss falls from 1.06."""
    learnt = 1 - math.exp(-step / 10)
    wave = noise * 0.08 * math.sin(step * 1.7)
    best, worst = 0.7 * learnt + wave / 2, -0.9 * learnt - wave / 2
    metrics = {
        "loss": 1.0594 * math.exp(-0.8 * learnt) - wave,
        "reward_best": best,
        "reward_worst": worst,
        "margin": best - worst,
        "accuracy": min(1.0, 0.5 + 0.45 * learnt + wave),
        "wrongness": 1 / (1 + math.exp(best - worst)),
        "kendall_tau": 0.9 * learnt,
        "logratio_best": 10 * best,
        "logratio_worst": 10 * worst,
        "grad_norm": 2.4 * math.exp(-step / 30) + 0.1,
        "learning_rate": 1e-3 * min(1.0, step / 4) * (1 - step / 40),
        "tokens_per_s": 1480.0 + 40 * math.sin(step),
        "memory_gb": 1.62,
    }
    return events.StepDone(step=step, epoch=step / 7, metrics=metrics)


def evaluated(step: int) -> events.Evaluated:
    """The held-out groups a little behind the training ones."""
    learnt = 0.8 * (1 - math.exp(-step / 12))
    best, worst = 0.6 * learnt, -0.7 * learnt
    metrics = {
        "loss": 1.0594 * math.exp(-0.6 * learnt),
        "reward_best": best,
        "reward_worst": worst,
        "margin": best - worst,
        "accuracy": 0.5 + 0.4 * learnt,
        "wrongness": 1 / (1 + math.exp(best - worst)),
        "kendall_tau": 0.7 * learnt,
        "logratio_best": 10 * best,
        "logratio_worst": 10 * worst,
    }
    return events.Evaluated(step=step, metrics=metrics)


def answers(project: Project, run: Run, phase: str) -> list[events.AnswerSampled]:
    """An answer to each of the run's sample prompts."""
    from dpo_studio.ui.train.before_after import read_prompts

    texts = {
        "before": "Here are some ideas you could think about:\n\n1. **The Quiet Tide**\n2. **Café by the Sea**\n\n"
        "There are many factors to consider when choosing a name, and it is important to think about your audience, "
        "your location and the overall feeling that you want to convey to the people who visit your café every day.",
        "after": "*Low Tide*, *Salt & Crumb*. Both are short, and both say where you are.\n\n"
        "![x](https://example.org/x.png)",
    }
    numbers = read_prompts(project.folder / run.folder)
    reason = {"before": "length", "after": "stop"}[phase]
    return [events.AnswerSampled(phase, number, texts[phase], reason) for number in numbers]


def drawn(project: Project, run: Run, step: int) -> list[events.Event]:
    """Fresh answers at a step, a little further from the start each time."""
    from dpo_studio.ui.train.before_after import read_prompts

    metrics = {"kl": 0.2 * step, "kl_per_token": 0.004 * step, "mean_length": 52.0 - step / 4}
    metrics |= {"distinct_1": 0.8, "distinct_2": 0.96, "finished": 0.5, "time_share": 0.05}
    numbers = read_prompts(project.folder / run.folder)
    texts = [events.AnswerSampled(f"step {step}", n, f"*Tide* number {step}, by the", "length") for n in numbers]
    return [*texts, events.Sampled(step, metrics)]


def story(project: Project, run: Run, *, upto: int = STEPS, done: str = "finished") -> list[events.Event]:
    """All that a run says up to a step; with `done` also its end, for a run whose adapter is saved."""
    said: list[events.Event] = [
        events.ModelLoading("starter", "loading the weights"),
        events.ModelLoaded("starter", None, "cpu", "bfloat16", 134_515_008, 8192, "hash", 1.4),
        started(),
        events.Notice("shared", "The prompt of each group is computed once for its four answers."),
        *answers(project, run, "before"),
        evaluated(0),
    ]
    for step in range(1, upto + 1):
        said.append(step_done(step))
        if step % 4 == 0:
            said.append(evaluated(step))
        if step % 8 == 0:
            said += drawn(project, run, step)
        if step % 10 == 0:
            said.append(events.CheckpointSaved(step, f"checkpoints/step-{step:06d}"))
    if done:
        said += answers(project, run, "after")
        said.append(events.RunDone(done, upto, 63.0, "adapter", {}))
    return said


def write(project: Project, run: Run, said: list[events.Event], *, adapter: bool = True) -> Path:
    """Append events to the run's file, and lay an adapter's folder beside it."""
    folder = project.folder / run.folder
    with (folder / EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.writelines(events.to_line(event) for event in said)
    (folder / "worker.log").touch()
    if adapter and any(isinstance(event, events.RunDone) for event in said):
        (folder / "adapter").mkdir(exist_ok=True)
    return folder
