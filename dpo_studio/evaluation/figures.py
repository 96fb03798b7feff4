"""A run's curves as a picture, for places without a window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dpo_studio.core import events

_PANELS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Loss", (("loss", "loss"),)),
    ("Implicit reward", (("reward_best", "best answer"), ("reward_worst", "worst answer"))),
    ("Margin: reward of the best less that of the worst", (("margin", "margin"),)),
    ("Accuracy: pairs in the labelled order", (("accuracy", "accuracy"),)),
)


def save_curves(said: Sequence[events.Event], path: Path, *, title: str = "") -> None:
    """Draw loss, implicit rewards, margin and accuracy of a run into a PNG.

    Thin lines are the training steps, lines with points the held-out groups.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [event for event in said if isinstance(event, events.StepDone)]
    measured = [event for event in said if isinstance(event, events.Evaluated)]
    figure = Figure(figsize=(11, 7), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (heading, curves) in zip(figure.subplots(2, 2).flat, _PANELS, strict=True):
        for colour, (metric, label) in zip(("#2f6fdb", "#d0562b"), curves, strict=False):
            for series, style, width, where in ((steps, "-", 1.0, "training"), (measured, "o-", 1.6, "held out")):
                points = [(e.step, e.metrics[metric]) for e in series if e.metrics.get(metric) is not None]
                if points:
                    axes.plot(
                        *zip(*points, strict=True),
                        style,
                        color=colour,
                        linewidth=width,
                        markersize=4,
                        alpha=0.55 if where == "training" else 1.0,
                        label=f"{label}, {where}" if len(curves) > 1 else where,
                    )
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set_xlabel("optimiser step", fontsize=9)
        axes.grid(alpha=0.25)
        if axes.has_data():
            axes.legend(fontsize=8, frameon=False)
    if title:
        figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
