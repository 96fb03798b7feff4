"""One base model in memory, and the adapters that have been asked of it: one or none of them works at a time.

Only plain LoRA adapters share a base; `can_share` says so for each.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, cast

from . import adapters
from .load import LoadedModel

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

#: Adapters kept beside a base; the one that was used longest ago goes first.
MOST = 8


def can_share(adapter: Path) -> bool:
    """Whether this adapter can be switched off and leave the base as it was.

    Raises:
        UserError: as `adapters.check`.
    """
    config = adapters.check(adapter)
    plain = (
        config.get("bias", "none") == "none"
        and not config.get("use_dora")
        and not config.get("trainable_token_indices")
    )
    return config.get("peft_type") == "LORA" and plain


class SharedBase:
    """A base model whose adapters are switched without loading it again. For one thread at a time.

    Args:
        loaded: the base, without an adapter.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        assert loaded.adapter is None
        self.base = loaded
        self._peft: PeftModel | None = None
        self._names: dict[tuple[str, int], str] = {}
        self._made = 0

    def use(self, adapter: Path | None) -> LoadedModel:
        """The base with this adapter at work, or none. What was returned before is the same model, changed.

        An adapter whose file was written again is read again.

        Raises:
            UserError: it cannot be used, or was made for another model. The base must then be loaded again.
        """
        if adapter is None:
            if self._peft is not None:
                self._peft.base_model.disable_adapter_layers()
            return self.base
        adapters.check(adapter)
        key = (str(adapter), (adapter / adapters.WEIGHTS).stat().st_mtime_ns)
        name = self._names.pop(key, None)
        if name is None:
            name = self._add(adapter)
        self._names[key] = name  # the last used is the last
        assert self._peft is not None
        self._peft.base_model.enable_adapter_layers()
        self._peft.set_adapter(name, inference_mode=True)
        return dataclasses.replace(self.base, model=self._peft, adapter=adapter)

    def has(self, adapter: Path | None) -> bool:
        """Whether `use` would read no file."""
        if adapter is None:
            return True
        try:
            return (str(adapter), (adapter / adapters.WEIGHTS).stat().st_mtime_ns) in self._names
        except OSError:
            return False

    def _add(self, adapter: Path) -> str:
        self._made += 1
        name = f"adapter_{self._made}"
        if self._peft is None:
            self._peft = adapters.apply(cast("PreTrainedModel", self.base.model), adapter, name=name)
            self._peft.eval()
            return name
        while len(self._names) >= MOST:
            oldest = next(iter(self._names))
            self._peft.delete_adapter(self._names.pop(oldest))
        adapters.add(self._peft, adapter, name=name)
        self._peft.eval()
        return name
