"""The pictures of the README, from the real window: `python -m tests.readme_pictures PROJECT FOLDER`.

On a display (Xvfb will do): letters that lie on its dots make files of half the size.
PROJECT is a copy of the sample with one run that is done (`dpo-studio new P --sample; dpo-studio train P`).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

SIZE, COLOURS = (1400, 900), 250
#: What a page reads and draws is done by then.
SETTLE_S = 3.0


def main() -> int:
    """Make the pictures; the exit status is 0 when all were written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    failed = 0
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, picture in _pictures(asked.project.resolve()):
        failed += not _with_few_colours(picture).save(str(asked.folder / f"{name}.png"), "PNG", 0)
    return 1 if failed else 0


def _with_few_colours(picture: QImage) -> QImage:
    """The picture in its most frequent colours, which takes a third of the bytes; the others become the nearest."""
    import numpy as np
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QImage

    whole = picture.convertToFormat(QImage.Format.Format_RGB32)
    found, counts = np.unique(np.frombuffer(whole.constBits(), dtype=np.uint32), return_counts=True)
    table = [int(colour) for colour in found[np.argsort(-counts)][:COLOURS]]
    return whole.convertToFormat(QImage.Format.Format_Indexed8, table, Qt.ImageConversionFlag.ThresholdDither)


def _pictures(project: Path) -> Iterator[tuple[str, QImage]]:
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from dpo_studio.store import prompts as stored
    from dpo_studio.ui import theme
    from dpo_studio.ui.app import make_application
    from dpo_studio.ui.main_window import MainWindow
    from dpo_studio.ui.settings_store import SettingsStore

    app = make_application()

    def shown(name: str):
        window.show_page(name)
        settle()
        return window.current_page

    def settle() -> None:
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            app.processEvents()
            time.sleep(0.01)

    with tempfile.TemporaryDirectory() as scratch:
        copied = shutil.copytree(project, Path(scratch) / project.name)
        settings = SettingsStore(Path(scratch) / "settings.ini")
        theme.apply(app, "light", scale=1.0)
        window = MainWindow(settings)
        window.resize(*SIZE)
        window.show()
        window.status.start_watching()
        window.open_project(copied)
        prompts = shown("prompts")
        several = next(one for one in stored.all_prompts(window.context.project) if len(one.messages) > 2)
        prompts.table.select([several.id])
        prompts.table.show_row(several.id)
        settle()
        yield "prompts", window.grab().toImage()
        shown("quality")
        yield "quality", window.grab().toImage()
        train = shown("train")
        train.show_run(train.follower.runs[-1].id)
        settle()
        yield "train", window.grab().toImage()
        train.view.tabs.setCurrentIndex(1)
        settle()
        yield "before_after", window.grab().toImage()
        label = shown("label")
        for key in (Qt.Key.Key_Space, Qt.Key.Key_Space, Qt.Key.Key_Space, Qt.Key.Key_3, Qt.Key.Key_1):
            QTest.keyClick(label, key)
            settle()
        yield "label", window.grab().toImage()
        window.close()
        settle()


if __name__ == "__main__":
    raise SystemExit(main())
