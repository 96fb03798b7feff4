"""How fast training could be at most here: the products it cannot do without, at the machine's measured rate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def training_flops(model: Any, examples: Sequence[Any], *, rank: int) -> tuple[float, float]:
    """Floating-point operations of a pass over the groups, and of their reference pass.

    Counted are matrix products with each prompt read once: every layer's frozen matrices forward and for the gradient
    of their inputs; the head at the tokens that are predicted, the same; attention over the visible pairs, three
    times its forward; the adapter's matrices, three times. The reference pass is one forward without an adapter.

    Args:
        model: without an adapter.
        rank: of the adapter on every linear layer but the head.
    """
    import torch

    config = model.config.get_text_config()
    head = model.get_output_embeddings()
    linear = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    frozen = 2 * sum(m.weight.numel() for m in linear)
    adapter = 2 * rank * sum(m.in_features + m.out_features for m in linear)
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    training = reference = 0.0
    for example in examples:
        lengths = [len(ids) for ids in example.completions]
        prompt, targets = len(example.prompt), sum(lengths)
        tokens = prompt + targets - len(lengths)
        inputs = [length - 1 for length in lengths]
        visible = prompt * (prompt + 1) / 2 + sum(n * prompt + n * (n + 1) / 2 for n in inputs)
        attention = 4 * width * config.num_hidden_layers * visible
        heads = 2 * head.weight.numel() * targets
        training += 2 * (frozen * tokens + heads) + 3 * (attention + adapter * tokens)
        reference += frozen * tokens + heads + attention
    return training, reference


def product_rate(
    shapes: Sequence[tuple[int, int]], *, dtype: Any, device: str, rows: int, seconds: float = 1.5
) -> float:
    """FLOP/s of `rows` inputs times each (inputs, outputs) matrix in turn: the best of several passes."""
    import torch

    left = {size: torch.randn(rows, size, device=device).to(dtype) for size in {size for size, _ in shapes}}
    right = [torch.randn(shape, device=device).to(dtype) for shape in shapes]
    work = sum(2 * rows * inputs * outputs for inputs, outputs in shapes)
    best = 0.0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or not best:
        began = time.perf_counter()
        for matrix in right:
            left[matrix.shape[0]] @ matrix
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        best = max(best, work / (time.perf_counter() - began))
    return best


def measure(base: Path, examples: Sequence[Any], *, rank: int, device: str) -> dict[str, Any]:
    """FLOP of the groups and the machine's best rates, by number format."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16, local_files_only=True)
    training, reference = training_flops(model, examples, rank=rank)
    layers = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and ".0." in name]
    shapes = [(m.in_features, m.out_features) for m in layers]
    rates = {}
    for dtype in (torch.bfloat16, torch.float32):
        tried = [product_rate(shapes, dtype=dtype, device=device, rows=rows) for rows in (256, 1024, 4096)]
        tried.append(product_rate([(2048, 2048)], dtype=dtype, device=device, rows=2048))
        rates[str(dtype).removeprefix("torch.")] = max(tried)
    return {"training_flops": training, "reference_flops": reference, "rates": rates}
