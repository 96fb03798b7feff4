"""What the window remembers between starts: last project, page, recent ones, geometry, look."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

ORGANISATION, APPLICATION = "DPO Studio", "DPO Studio"
PATH_VARIABLE = "DPO_STUDIO_SETTINGS"
RECENT_KEPT = 8


class SettingsStore:
    """Named, typed access to the settings file.

    The file named by the environment variable DPO_STUDIO_SETTINGS takes the place of the user's own.
    """

    def __init__(self, path: Path | None = None) -> None:
        named = path or os.environ.get(PATH_VARIABLE)
        if named:
            self._settings = QSettings(str(named), QSettings.Format.IniFormat)
        else:
            self._settings = QSettings(ORGANISATION, APPLICATION)

    @property
    def recent(self) -> list[Path]:
        """Project folders, the one opened last first; some may be gone by now."""
        value = self._settings.value("projects/recent", [])
        names = [value] if isinstance(value, str) else list(value or [])
        return [Path(str(name)) for name in names if name]

    def add_recent(self, folder: Path) -> None:
        self._set_recent([folder, *(other for other in self.recent if other != folder)][:RECENT_KEPT])

    def remove_recent(self, folder: Path) -> None:
        self._set_recent([other for other in self.recent if other != folder])
        if self.last_project == folder:
            self.last_project = None

    @property
    def last_project(self) -> Path | None:
        """The project that was open when the window closed."""
        text = self._text("projects/last")
        return Path(text) if text else None

    @last_project.setter
    def last_project(self, folder: Path | None) -> None:
        self._settings.setValue("projects/last", "" if folder is None else str(folder))

    @property
    def last_page(self) -> str:
        return self._text("window/page")

    @last_page.setter
    def last_page(self, name: str) -> None:
        self._settings.setValue("window/page", name)

    @property
    def geometry(self) -> QByteArray | None:
        value = self._settings.value("window/geometry")
        return value if isinstance(value, QByteArray) and not value.isEmpty() else None

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._settings.setValue("window/geometry", value)

    @property
    def theme_mode(self) -> str:
        """One of theme.MODES."""
        return self._text("look/mode") or "system"

    @theme_mode.setter
    def theme_mode(self, mode: str) -> None:
        self._settings.setValue("look/mode", mode)

    @property
    def text_scale(self) -> float:
        try:
            return float(self._text("look/text_scale") or 1.0)
        except ValueError:
            return 1.0

    @text_scale.setter
    def text_scale(self, scale: float) -> None:
        self._settings.setValue("look/text_scale", f"{scale:.2f}")

    @property
    def annotator(self) -> str:
        """The name of the person who labels on this machine; "" until it was asked."""
        return self._text("label/annotator")

    @annotator.setter
    def annotator(self, name: str) -> None:
        self._settings.setValue("label/annotator", name)

    @property
    def label_thinking(self) -> bool:
        """Whether Label shows what models thought before they answered."""
        return self._text("label/thinking") == "shown"

    @label_thinking.setter
    def label_thinking(self, shown: bool) -> None:
        self._settings.setValue("label/thinking", "shown" if shown else "folded")

    @property
    def label_together(self) -> bool:
        """Whether the answers in Label scroll together."""
        return self._text("label/scroll") == "together"

    @label_together.setter
    def label_together(self, together: bool) -> None:
        self._settings.setValue("label/scroll", "together" if together else "apart")

    @property
    def label_arrangement(self) -> str:
        """How the answers in Label are laid out; "" where nothing was chosen."""
        return self._text("label/arrangement")

    @label_arrangement.setter
    def label_arrangement(self, name: str) -> None:
        self._settings.setValue("label/arrangement", name)

    @property
    def shown_run(self) -> str:
        """The uuid of the run that Train showed last; "" for the form of a new one."""
        return self._text("train/run")

    @shown_run.setter
    def shown_run(self, uuid: str) -> None:
        self._settings.setValue("train/run", uuid)

    def splitter(self, name: str) -> list[int]:
        """The sizes that a splitter was left with, in pixels; none where it never was moved."""
        sizes = self._text(f"splitter/{name}").split("-")
        return [int(size) for size in sizes] if all(size.isdigit() for size in sizes) else []

    def keep_splitter(self, name: str, sizes: Sequence[int]) -> None:
        self._settings.setValue(f"splitter/{name}", "-".join(str(size) for size in sizes))

    def save(self) -> None:
        """Write to disk now."""
        self._settings.sync()

    def _text(self, key: str) -> str:
        value = self._settings.value(key, "")
        return value if isinstance(value, str) else ""

    def _set_recent(self, folders: list[Path]) -> None:
        self._settings.setValue("projects/recent", [str(folder) for folder in folders])
