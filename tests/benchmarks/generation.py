"""Generation against transformers' own and against the machine's limit, as ratios measured in one run.

    python -m tests.benchmarks.generation [--k 8] [--new 64] [--lengths 40,480] [--several 8] [--rounds 3] [--profile]

All draw `--new` tokens for each of `--k` answers to a prompt with the same settings, on the starter model; ends are not
heeded, so that the work is the same. They take turns, and the best round of each counts. Printed are tokens a second
by the clock and by CPU time: on a busy machine only the second means anything, and on a quiet one the first.

One prompt by itself is set against `generate(num_return_sequences=k)`. A person asks many prompts, so several of them,
of lengths up to a fifth apart, are set against the same call for one after the other, which is what a loop does, and
against one call for all of them, filled up on the left. When the first prompt's answers are whole is printed too.
The limit is one pass over the weights a step, at the rate at which this machine reads memory.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from dpo_studio.core.settings import SamplingSettings
from dpo_studio.core.types import Message
from dpo_studio.generation.answers import Answer
from dpo_studio.generation.drawing import Ended, Wish, draw
from dpo_studio.generation.room import MOST_ROWS
from dpo_studio.models.load import LoadedModel, load

SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95, repetition_penalty=1.05)
TEXT = "Tell me in plain words how a garden changes over the year, and what there is to do in it, week by week. "


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds of one round, and until all answers to the first prompt were whole."""

    clock: float
    cpu: float
    first: float


#: Some work: how many tokens it drew, and the clock's time at which the first prompt's answers were whole.
Work = Callable[[], tuple[int, float]]


def measure(work: Work, expected: int) -> Time:
    """One round of some work that must give so many tokens."""
    clock, cpu = time.perf_counter(), time.process_time()
    got, first = work()
    took = Time(time.perf_counter() - clock, time.process_time() - cpu, first - clock)
    assert got == expected, f"{got} tokens instead of {expected}"
    return took


def in_turns(contenders: dict[str, tuple[Work, int]], rounds: int) -> dict[str, Time]:
    """The best of each, with its number of tokens; a first round of each is not counted."""
    times: dict[str, list[Time]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, (work, expected) in contenders.items():
            took = measure(work, expected)
            if number:
                times[name].append(took)
    return {
        name: Time(min(t.clock for t in some), min(t.cpu for t in some), min(t.first for t in some))
        for name, some in times.items()
    }


def prompt_of(loaded: LoadedModel, length: int, number: int = 0) -> list[int]:
    """So many tokens of a conversation; other numbers give other ones."""
    text = f"{number}. " + TEXT * (length // 15 + 1)
    ids = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    head = loaded.chat.prompt_ids((Message("user", ""),))
    return [*head[: len(head) // 2], *ids[: length - len(head)], *head[len(head) // 2 :]]


def ours(loaded: LoadedModel, prompts: Sequence[list[int]], k: int, new: int) -> tuple[int, float]:
    """Answer the prompts in one go."""
    sampling = SamplingSettings(**{**SAMPLING.to_json(), "max_new_tokens": new, "k": k})
    loaded.chat.prompt_ids = lambda messages: prompts[int(messages[0].content)]  # type: ignore[method-assign]
    loaded.chat.end_ids = frozenset()
    wishes = [Wish(n, (Message("user", str(n)),), dict.fromkeys(range(k), sampling), None) for n in range(len(prompts))]
    tokens, first = 0, 0.0
    try:
        for key, said in draw(loaded, wishes):
            tokens += len(said.token_ids) if isinstance(said, Answer) else 0
            first = time.perf_counter() if isinstance(said, Ended) and key == 0 else first
    finally:
        del loaded.chat.prompt_ids
    return tokens, first


def theirs(loaded: LoadedModel, prompts: Sequence[list[int]], k: int, new: int) -> tuple[int, float]:
    """transformers' `generate` with `num_return_sequences`, in one call."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts], device=loaded.device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=loaded.device)
    torch.manual_seed(0)
    out = loaded.model.generate(
        ids,
        attention_mask=mask,
        do_sample=True,
        temperature=SAMPLING.temperature,
        top_p=SAMPLING.top_p,
        top_k=0,
        repetition_penalty=SAMPLING.repetition_penalty,
        num_return_sequences=k,
        max_new_tokens=new,
        min_new_tokens=new,
        pad_token_id=0,
    )
    return int(out[:, longest:].numel()), time.perf_counter()


def bandwidth(size: int = 1 << 28, rounds: int = 5) -> float:
    """Bytes a second at which memory is read, the best of several passes."""
    numbers = torch.ones(size // 4)
    best = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        numbers.sum()
        best = max(best, size / (time.perf_counter() - began))
    return best


def row(name: str, tokens: int, took: Time, *against: Time) -> str:
    """A line of the table."""
    said = f"{name:<38} {tokens / took.clock:8.0f} {tokens / took.cpu:12.0f} {took.first:9.1f}"
    return said + "".join(f" {each.clock / took.clock:8.2f} {each.cpu / took.cpu:6.2f}" for each in against)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--lengths", default="40,480")
    parser.add_argument("--several", type=int, default=8, help="prompts at once, and one at a time; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--together", default="", help="numbers of rows decoded together to try, instead of the usual")
    parser.add_argument("--profile", action="store_true", help="where a step's time goes, instead of the ratios")
    asked = parser.parse_args()
    loaded = load("starter", dtype=asked.dtype, device=asked.device)
    lengths = [int(length) for length in asked.lengths.split(",")]
    if asked.profile:
        _profile(loaded, prompt_of(loaded, lengths[-1]), asked.k, asked.new)
        return
    weights = sum(weight.nbytes for weight in loaded.model.parameters())
    rate = bandwidth()
    usual = MOST_ROWS.get(loaded.device.type, 16)
    together = [int(rows) for rows in asked.together.split(",") if rows] or [usual]
    print(f"{loaded.dtype}, {loaded.device}, {torch.get_num_threads()} threads; memory read at {rate / 1e9:.1f} GB/s")
    print("tokens a second, the same a CPU second, seconds until the first prompt's answers are whole; then how many")
    print("times as fast as generate with one prompt a call, and as generate with all in one call, clock and CPU")
    print(f"{f'limit: weights once a step, {asked.k} rows':<38} {asked.k * rate / weights:8.0f}")
    for length in lengths:
        _compare(loaded, length, asked, together)


def _compare(loaded: LoadedModel, length: int, asked: argparse.Namespace, together: Sequence[int]) -> None:
    """One prompt of a length, and several of about that length."""
    k, new, several = asked.k, asked.new, asked.several
    prompt, tokens = prompt_of(loaded, length), k * new
    prompts = [prompt_of(loaded, length + length * place // (5 * several), place) for place in range(several)]

    def with_rows(rows: int) -> tuple[int, float]:
        before = MOST_ROWS[loaded.device.type]
        MOST_ROWS[loaded.device.type] = rows
        try:
            return ours(loaded, prompts, k, new)
        finally:
            MOST_ROWS[loaded.device.type] = before

    contenders: dict[str, tuple[Work, int]] = {
        "theirs": (lambda: theirs(loaded, [prompt], k, new), tokens),
        "ours": (lambda: ours(loaded, [prompt], k, new), tokens),
    }
    if several:
        contenders["theirs, all"] = (lambda: theirs(loaded, prompts, k, new), tokens * several)
        for rows in together:
            contenders[f"ours, {rows} rows"] = (lambda rows=rows: with_rows(rows), tokens * several)
    found = in_turns(contenders, asked.rounds)
    one = found["theirs"]
    print(row(f"generate, {length} tokens, k {k}", tokens, one))
    print(row(f"ours, {length} tokens, k {k}", tokens, found["ours"], one))
    if several:
        one_by_one = Time(one.clock * several, one.cpu * several, one.first)
        print(row(f"generate, {several} such prompts in one call", tokens * several, found["theirs, all"], one_by_one))
        for rows in together:
            name = f"ours, {several} such prompts, {rows} rows"
            took = found[f"ours, {rows} rows"]
            print(row(name, tokens * several, took, one_by_one, found["theirs, all"]), flush=True)


def _profile(loaded: LoadedModel, prompt: list[int], k: int, new: int) -> None:
    ours(loaded, [prompt], k, 4)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        took = measure(lambda: ours(loaded, [prompt], k, new), k * new)
    print(f"{took.clock:.2f} s by the clock, {took.cpu:.2f} s of CPU, {new} steps of {k} rows")
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=24, max_name_column_width=40))


if __name__ == "__main__":
    main()
