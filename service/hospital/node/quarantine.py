"""Files that a person should look at, each with a note of the reason beside it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from service.hospital.node.durable import sync_folder, write_durably

MAX_FILES: Final = 1000
"""Most files that are kept; the oldest makes room for another."""


class Quarantine:
    """A folder of files and notes.

    Args:
        folder: It exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, file: Path, note: Mapping[str, object]) -> None:
        """Keep a copy of a file, if it is there, and a note on it.

        Raises:
            OSError: They cannot be written.
        """
        text = json.dumps(note, indent=1) + "\n"
        write_durably(self._folder / f"{name}.json", text.encode())
        if file.exists():
            shutil.copyfile(file, self.file(name))
            sync_folder(self._folder)
        notes = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in notes[:-MAX_FILES]:
            self.remove(old.stem)

    def take_over(self, file: Path) -> None:
        """Keep a file of which nothing is known."""
        file.rename(self._folder / file.name)

    def file(self, name: str) -> Path:
        """Where a file is, if it is here."""
        return self._folder / f"{name}.dcm"

    def remove(self, name: str) -> None:
        """Remove a file and its note."""
        for suffix in ("dcm", "json"):
            (self._folder / f"{name}.{suffix}").unlink(missing_ok=True)
