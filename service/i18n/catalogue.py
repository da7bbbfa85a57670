"""The catalogue of a language: one TOML file for each part of the service that speaks."""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

Language = Literal["en", "es"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "es")
"""English first: it is what is spoken where nobody asked for another."""

Texts = Mapping[str, str]
"""Texts by dotted key (``table.key``); some hold placeholders for ``str.format``."""

_FOLDER: Final = Path(__file__).parent


class Catalogue(Mapping[str, Texts]):
    """The texts of one language, by the part that speaks them: ``texts("es")["report"]["title"]``.

    A file is read when its part is first asked for, once.

    Args:
        language: Its code; the name of its folder.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._folder = _FOLDER / language
        self._read: dict[str, Texts] = {}

    def __getitem__(self, part: str) -> Texts:
        """The texts of one part.

        Raises:
            KeyError: No part of that name has texts.
        """
        if part not in self._read:
            if part not in set(self):
                raise KeyError(part)
            content = (self._folder / f"{part}.toml").read_text(encoding="utf-8")
            self._read[part] = MappingProxyType(dict(_flat(tomllib.loads(content))))
        return self._read[part]

    def __iter__(self) -> Iterator[str]:
        """The names of the parts."""
        return iter(sorted(path.stem for path in self._folder.glob("*.toml")))

    def __len__(self) -> int:
        """How many parts have texts."""
        return sum(1 for _ in self)


@functools.cache
def texts(language: Language) -> Catalogue:
    """The catalogue of a language; the same object each time."""
    return Catalogue(language)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
