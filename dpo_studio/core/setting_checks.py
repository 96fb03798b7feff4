"""What any settings need: values read from text and JSON, ranges, and sentences for what cannot be used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from .errors import UserError


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of some settings, in a sentence that says what is allowed."""

    field: str
    message: str


class SettingsError(UserError):
    """Settings that cannot be used; `problems` names each field."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class _Settings(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def problems(self) -> list[Problem]: ...


Checked = TypeVar("Checked", bound=_Settings)


def validated(settings: Checked) -> Checked:
    """Itself, or raises SettingsError."""
    problems = settings.problems()
    if problems:
        raise SettingsError(problems)
    return settings


def from_json(cls: type[Checked], values: Mapping[str, Any]) -> Checked:
    """Settings with these values, given as numbers or as text; what is not given stands at its default.

    A field that holds several texts takes a list of them, or one text.

    Raises:
        UserError: there is no such setting, or a value is not of its kind.
    """
    kinds: dict[str, type] = {f.name: type(f.default) for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(kinds))
    if unknown:
        raise UserError(f"There is no setting called {unknown[0]!r}.", f"The settings are {', '.join(kinds)}.")
    typed: dict[str, Any] = {}
    for name, value in values.items():
        kind = kinds[name]
        if kind is tuple:
            typed[name] = _texts(name, value)
            continue
        try:
            number = float(value) if kind in (int, float) else None
            if kind is int and number is not None and not number.is_integer():
                raise ValueError
            typed[name] = kind(number) if number is not None else str(value)
        except (TypeError, ValueError, OverflowError):
            wanted = {int: "a whole number", float: "a number"}[kind]
            raise SettingsError([Problem(name, f"{words(name)} needs {wanted}, not {value!r}.")]) from None
    return cls(**typed)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise SettingsError([Problem(name, f"{words(name)} needs a list of texts, not {value!r}.")])
    return tuple(texts)


def out_of_range(settings: Any, **ranges: tuple[float, float]) -> list[Problem]:
    """A problem for each field that is not finite or not within its range, ends included."""
    problems = []
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not (math.isfinite(value) and low <= value <= high):
            problems.append(Problem(name, f"{words(name)} is {value:g}; it can be from {low:g} to {high:g}."))
    return problems


def words(name: str) -> str:
    """A field's name as a sentence begins with it."""
    return name.replace("_", " ").capitalize()
