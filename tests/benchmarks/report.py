"""What the training benchmark measured, as a table for a person."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

_PAIRS_OF_FOUR = 6
_TITLES = {
    "ours": "ours",
    "ours-again": "ours, a second run on the same data",
    "trl-fastest": "TRL at its fastest",
    "trl-bf16": "TRL as started (batch 8), bf16",
    "trl-fp32": "TRL as started (batch 8), fp32",
    "ours-rankings": "ours, rankings of four",
    "trl-rankings": "TRL at its fastest, their six pairs",
}


def seconds(measured: Mapping[str, Any], *, reference: bool = True) -> float:
    """One pass over the groups, the reference pass counted or not; infinite where it failed.

    On a GPU the last pass: the first one compiles and records.
    """
    if "failed" in measured:
        return math.inf
    which = -1 if str(measured.get("device", "")).startswith("cuda") else 0
    return float(measured["epochs_s"][which]) + (float(measured["reference_s"]) if reference else 0.0)


def rate(measured: Mapping[str, Any], *, reference: bool = True) -> float:
    """Groups a second."""
    return 0.0 if "failed" in measured else float(measured["groups"]) / seconds(measured, reference=reference)


def table(found: Mapping[str, Any], *, device: str, threads: int) -> str:
    return "\n".join(
        [*_head(device, threads), *_measured(found), *_tried(found), "", *_ratios(found), *_agreement(found)]
    )


def _head(device: str, threads: int) -> Iterator[str]:
    yield f"On {device}, {threads} threads. Seconds of the work alone: importing, loading, reading the data and"
    yield "attaching the adapter are counted on neither side. 'With reference' is one pass over the data and its"
    yield "reference pass; TRL as started computes the reference within its steps. Tokens: each prompt once a group,"
    yield "on every line."
    yield ""
    yield f"{'':38}{'with reference':>16}{'training only':>16}{'tokens/s':>10}{'peak GB':>9}  format"


def _measured(found: Mapping[str, Any]) -> Iterator[str]:
    for name, title in _TITLES.items():
        if name not in found:
            continue
        one = found[name]
        if "failed" in one:
            yield f"{title:38}failed: {one['failed']}"
            continue
        yield (
            f"{title:38}{rate(one):11.3f} gr/s{rate(one, reference=False):11.3f} gr/s"
            f"{one['tokens'] / seconds(one):10.0f}{one['memory_gb']:9.2f}  {one['dtype']}"
        )
        first, *later = one["epochs_s"]
        if later and str(one["device"]).startswith("cuda"):
            yield f"{'  its first pass, with warming up':38}{'':16}{one['groups'] / first:11.3f} gr/s"
        elif later and name == "ours":
            yield f"{'  its second epoch':38}{one['groups'] / later[0]:11.3f} gr/s"
    if "limit" in found:
        limit = found["limit"]
        for name, best in limit["rates"].items():
            groups = _groups(found)
            with_reference = best * groups / (limit["training_flops"] + limit["reference_flops"])
            alone = best * groups / limit["training_flops"]
            yield (
                f"{'limit: products in ' + name:38}{with_reference:11.3f} gr/s{alone:11.3f} gr/s"
                f"{'':10}{'':9}  {best / 1e12:.3f} TFLOP/s"
            )
        if groups:
            total = (limit["training_flops"] + limit["reference_flops"]) / groups / 1e9
            yield f"  ({total:.0f} GFLOP a pair, {limit['reference_flops'] / groups / 1e9:.0f} of it the reference)"


def _groups(found: Mapping[str, Any]) -> int:
    return next(
        (found[name]["groups"] for name in ("ours", "ours-again", "trl-fastest") if "groups" in found.get(name, {})), 0
    )


def _tried(found: Mapping[str, Any]) -> Iterator[str]:
    if "tried" in found:
        yield ""
        yield "TRL's settings, tried on the first pairs:"
        for name, one in found["tried"].items():
            words = (
                f"failed: {one['failed']}" if "failed" in one else f"{rate(one):.3f} pairs/s, {one['memory_gb']:.1f} GB"
            )
            yield f"  {name:38}{words}"


def _ratios(found: Mapping[str, Any]) -> Iterator[str]:
    four, pairs = found.get("ours-rankings"), found.get("trl-rankings")
    if four and pairs and rate(four) and rate(pairs):
        yield _line("ours / TRL, rankings of four", rate(four) / (rate(pairs) / _PAIRS_OF_FOUR), 8.0)
    ours = found.get("ours")
    if not ours or "failed" in ours:
        return
    for name, target in (("trl-fastest", 4.0), ("trl-bf16", 15.0), ("trl-fp32", 15.0)):
        if rate(found.get(name, {"failed": ""})):
            yield _line(f"ours / {_TITLES[name]}", rate(ours) / rate(found[name]), target)
    if "trl-fastest" in found and rate(found["trl-fastest"]):
        ratio = rate(ours, reference=False) / rate(found["trl-fastest"], reference=False)
        yield _line("  the same, no reference pass on either side", ratio, None)
    if "limit" in found:
        best = max(found["limit"]["rates"].values())
        limit = best * ours["groups"] / (found["limit"]["training_flops"] + found["limit"]["reference_flops"])
        yield _line("ours / the limit of the products", rate(ours) / limit, 0.5)
    yield _line("ours, peak GB", ours["memory_gb"], 2.0, most=True)
    again = found.get("ours-again", {"failed": ""})
    if "failed" not in again:
        yield _line("ours, a second run: seconds of reference pass", again["reference_s"], 0.0, most=True)


def _agreement(found: Mapping[str, Any]) -> Iterator[str]:
    one = found.get("agreement")
    if one is None:
        return
    if "failed" in one:
        yield f"losses: failed: {one['failed']}"
        return
    yield _line("losses of the same batches in fp32: most apart", one["apart"], 1e-4, most=True)
    yield "  ours and TRL's: " + ", ".join(f"{a:.6f} {b:.6f}" for a, b in one["losses"])


def _line(what: str, value: float, target: float | None, *, most: bool = False) -> str:
    if target is None:
        return f"{what:50}{value:10.4g}"
    met = value <= target if most else value >= target
    return f"{what:50}{value:10.4g}   target {'≤' if most else '≥'} {target:g}: {'met' if met else 'missed'}"
