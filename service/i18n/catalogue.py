"""The catalogue of a language: one TOML file per part of the service that has texts."""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

Language = Literal["en", "es"]

LANGUAGES: Final[tuple[Language, ...]] = ("en", "es")
"""English first: the default."""

Texts = Mapping[str, str]
"""Texts by dotted key (``table.key``); some contain placeholders for ``str.format``."""

_FOLDER: Final = Path(__file__).parent


class Catalogue(Mapping[str, Texts]):
    """The texts of one language, by part: ``texts("es")["report"]["head.title"]``.

    The file of a part is read when it is first used.

    Args:
        language: Language code, which is also the name of the folder.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._folder = _FOLDER / language
        self._read: dict[str, Texts] = {}

    def __getitem__(self, part: str) -> Texts:
        """The texts of one part.

        Raises:
            KeyError: There is no part of that name.
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
        """The number of parts."""
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
