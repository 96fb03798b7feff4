"""Generation against transformers' own and against the machine's limit, as ratios measured in one run.

    python -m tests.benchmarks.generation [--k 8] [--new 64] [--lengths 40,480] [--rounds 3] [--profile]

Both draw `--new` tokens for each of `--k` answers to one prompt with the same settings, on the starter model; ends
are not heeded, so that the work is the same. They take turns, and the best round of each counts. Printed are tokens a
second by the clock and by CPU time: on a busy machine only the second means anything, and on a quiet one the first.
A person asks many prompts, so several such prompts at once are set beside theirs one by one, too.
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
from dpo_studio.generation.drawing import Wish, draw
from dpo_studio.models.load import LoadedModel, load

SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95, repetition_penalty=1.05)
TEXT = "Tell me in plain words how a garden changes over the year, and what there is to do in it, week by week. "


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds of one round."""

    clock: float
    cpu: float


def measure(work: Callable[[], int], expected: int) -> Time:
    """One round of some work that must give so many tokens."""
    clock, cpu = time.perf_counter(), time.process_time()
    got = work()
    took = Time(time.perf_counter() - clock, time.process_time() - cpu)
    assert got == expected, f"{got} tokens instead of {expected}"
    return took


def in_turns(contenders: dict[str, Callable[[], int]], expected: int, rounds: int) -> dict[str, Time]:
    """The best clock and the best CPU time of each; a first round of each is not counted."""
    times: dict[str, list[Time]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            took = measure(work, expected)
            if number:
                times[name].append(took)
    return {name: Time(min(t.clock for t in some), min(t.cpu for t in some)) for name, some in times.items()}


def prompt_of(loaded: LoadedModel, length: int, number: int = 0) -> list[int]:
    """So many tokens of a conversation; other numbers give other ones."""
    text = f"{number}. " + TEXT * (length // 15 + 1)
    ids = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    head = loaded.chat.prompt_ids((Message("user", ""),))
    return [*head[: len(head) // 2], *ids[: length - len(head)], *head[len(head) // 2 :]]


def ours(loaded: LoadedModel, prompts: Sequence[list[int]], k: int, new: int) -> int:
    """Answer the prompts in one go; how many tokens were drawn."""
    sampling = SamplingSettings(**{**SAMPLING.to_json(), "max_new_tokens": new, "k": k})
    loaded.chat.prompt_ids = lambda messages: prompts[int(messages[0].content)]  # type: ignore[method-assign]
    loaded.chat.end_ids = frozenset()
    wishes = [Wish(n, (Message("user", str(n)),), dict.fromkeys(range(k), sampling), None) for n in range(len(prompts))]
    try:
        return sum(len(said.token_ids) for _, said in draw(loaded, wishes) if isinstance(said, Answer))
    finally:
        del loaded.chat.prompt_ids


def theirs(loaded: LoadedModel, prompt: list[int], k: int, new: int) -> int:
    """transformers' `generate` with `num_return_sequences`."""
    ids = torch.tensor([prompt], device=loaded.device)
    torch.manual_seed(0)
    out = loaded.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
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
    return int(out[:, len(prompt) :].numel())


def bandwidth(size: int = 1 << 28, rounds: int = 5) -> float:
    """Bytes a second at which memory is read, the best of several passes."""
    numbers = torch.ones(size // 4)
    best = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        numbers.sum()
        best = max(best, size / (time.perf_counter() - began))
    return best


def row(name: str, tokens: int, took: Time, against: Time | None = None) -> str:
    """A line of the table."""
    said = f"{name:<34} {tokens / took.clock:8.0f} {tokens / took.cpu:12.0f}"
    return said + (f" {against.clock / took.clock:8.2f} {against.cpu / took.cpu:10.2f}" if against else "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--lengths", default="40,480")
    parser.add_argument("--several", type=int, default=8, help="prompts at once, and one at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--profile", action="store_true", help="where a step's time goes, instead of the ratios")
    asked = parser.parse_args()
    loaded = load("starter", dtype=asked.dtype, device=asked.device)
    lengths = [int(length) for length in asked.lengths.split(",")]
    if asked.profile:
        _profile(loaded, prompt_of(loaded, lengths[-1]), asked.k, asked.new)
        return
    weights = sum(weight.nbytes for weight in loaded.model.parameters())
    rate = bandwidth()
    print(f"{loaded.dtype}, {loaded.device}, {torch.get_num_threads()} threads; memory read at {rate / 1e9:.1f} GB/s")
    print(f"{'':<34} {'tokens/s':>8} {'a CPU second':>12} {'ratio':>8} {'CPU ratio':>10}")
    print(f"{'limit: weights once a step':<34} {asked.k * rate / weights:8.0f}")
    for length in lengths:
        prompt, tokens = prompt_of(loaded, length), asked.k * asked.new
        found = in_turns(
            {
                "theirs": lambda prompt=prompt: theirs(loaded, prompt, asked.k, asked.new),
                "ours": lambda prompt=prompt: ours(loaded, [prompt], asked.k, asked.new),
            },
            tokens,
            asked.rounds,
        )
        print(row(f"transformers, {length} tokens, k {asked.k}", tokens, found["theirs"]), flush=True)
        print(row(f"ours, {length} tokens, k {asked.k}", tokens, found["ours"], found["theirs"]), flush=True)
        if asked.several:
            prompts = [prompt_of(loaded, length, number) for number in range(asked.several)]
            work = {"all": lambda prompts=prompts: ours(loaded, prompts, asked.k, asked.new)}
            took = in_turns(work, tokens * asked.several, asked.rounds)["all"]
            one_by_one = Time(found["theirs"].clock * asked.several, found["theirs"].cpu * asked.several)
            print(
                row(f"ours, {asked.several} such prompts together", tokens * asked.several, took, one_by_one),
                flush=True,
            )
    if asked.several:
        prompts = [prompt_of(loaded, 40 + 8 * number, number) for number in range(asked.several)]
        tokens = asked.several * 2 * asked.new
        found = in_turns(
            {
                "one": lambda: sum(ours(loaded, [prompt], 2, asked.new) for prompt in prompts),
                "all": lambda: ours(loaded, prompts, 2, asked.new),
            },
            tokens,
            asked.rounds,
        )
        print(row(f"ours, {asked.several} prompts of 2, one by one", tokens, found["one"]))
        print(row(f"ours, {asked.several} prompts of 2, together", tokens, found["all"], found["one"]))


def _profile(loaded: LoadedModel, prompt: list[int], k: int, new: int) -> None:
    ours(loaded, [prompt], k, 4)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        took = measure(lambda: ours(loaded, [prompt], k, new), k * new)
    print(f"{took.clock:.2f} s by the clock, {took.cpu:.2f} s of CPU, {new} steps of {k} rows")
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=24, max_name_column_width=40))


if __name__ == "__main__":
    main()
