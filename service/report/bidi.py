"""The order of right-to-left and left-to-right text on one line.

The implicit part of the Unicode Bidirectional Algorithm (Unicode Standard Annex 9): rules P2, P3,
W1 to W7, N0 to N2, I1, I2, L1 and L2. Explicit controls are not needed: the report drops them,
because a note must not be able to reverse the text around it.
"""

import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import Final

_STRONG: Final = {"L": "L", "R": "R", "AL": "R"}
_SEPARATORS: Final = frozenset({("ES", "EN"), ("CS", "EN"), ("CS", "AN")})
_NEUTRAL: Final = frozenset({"B", "S", "WS", "ON"})
_BRACKETS: Final = dict(
    zip("([{\u3008\u300a\u300c\u300e\u3010", ")]}\u3009\u300b\u300d\u300f\u3011", strict=True)
)
_DIRECTION: Final = {"L": 0, "R": 1}


def base_level(text: str) -> int:
    """The level of a paragraph: 1 if its first letter is read from right to left, else 0."""
    for character in text:
        direction = _STRONG.get(unicodedata.bidirectional(character))
        if direction:
            return _DIRECTION[direction]
    return 0


def levels(text: str, base: int) -> list[int]:
    """The embedding level of each character of a paragraph; odd ones are read from right to left.

    Args:
        text: The paragraph.
        base: Its own level, 0 or 1.
    """
    around = "R" if base else "L"
    types = _weak([unicodedata.bidirectional(character) or "L" for character in text], around)
    _brackets(text, types, around)
    _neutral(types, around)
    return [_level(kind, base) for kind in types]


def visual_runs(text: str, found: Sequence[int], base: int) -> list[tuple[int, int, int]]:
    """Cut a line into runs of one level, from left to right as they are printed.

    Args:
        text: The line.
        found: The levels of its characters.
        base: The level of its paragraph.

    Returns:
        Start, end and level of each run.
    """
    end = len(text.rstrip())
    line = [*found[:end], *[base] * (len(text) - end)]  # L1
    runs, start = [], 0
    for level, same in groupby(line):
        length = len(list(same))
        runs.append((start, start + length, level))
        start += length
    for level in range(max(line, default=0), 0, -1):  # L2
        place = 0
        for high, same in groupby([run[2] >= level for run in runs]):
            end = place + len(list(same))
            if high:
                runs[place:end] = reversed(runs[place:end])
            place = end
    return runs


def _weak(types: list[str], around: str) -> list[str]:
    """Rules W1 to W7: marks, and numbers with their signs."""
    types = _numbers(_marks(types, around), around)
    types = [_STRONG.get(kind, kind) for kind in types]  # W3
    for place in range(1, len(types) - 1):  # W4
        before, kind, after = types[place - 1 : place + 2]
        if before == after and (kind, before) in _SEPARATORS:
            types[place] = before
    _terminators(types)
    types = ["ON" if kind in {"ES", "ET", "CS"} else kind for kind in types]  # W6
    strong = around
    for place, kind in enumerate(types):
        strong = kind if kind in _DIRECTION else strong
        if kind == "EN" and strong == "L":
            types[place] = "L"  # W7
    return types


def _marks(types: list[str], around: str) -> list[str]:
    """Rule W1: a mark is as its letter."""
    found: list[str] = []
    for kind in types:
        found.append((found or [around])[-1] if kind in {"NSM", "BN"} else kind)
    return found


def _numbers(types: list[str], around: str) -> list[str]:
    """Rule W2: digits behind Arabic letters are Arabic numbers."""
    strong, found = around, []
    for kind in types:
        strong = kind if kind in _STRONG else strong
        found.append("AN" if kind == "EN" and strong == "AL" else kind)
    return found


def _terminators(types: list[str]) -> None:
    """Rule W5: a sign such as % belongs to the number beside it."""
    place = 0
    for kind, same in groupby(list(types)):
        end = place + len(list(same))
        beside = {*types[max(place - 1, 0) : place], *types[end : end + 1]}
        if kind == "ET" and "EN" in beside:
            types[place:end] = ["EN"] * (end - place)
        place = end


def _brackets(text: str, types: list[str], around: str) -> None:
    """Rule N0: both brackets of a pair have one direction."""
    other = "L" if around == "R" else "R"
    for start, end in _pairs(text, types):
        inside = {_direction(kind) for kind in types[start + 1 : end]}
        if around in inside:
            direction = around
        elif other in inside:
            before = (_direction(kind) for kind in reversed(types[:start]))
            direction = next(filter(None, before), around)
        else:
            continue
        types[start] = types[end] = direction


def _pairs(text: str, types: list[str]) -> list[tuple[int, int]]:
    opened: list[tuple[str, int]] = []
    pairs = []
    for place, character in enumerate(text):
        if types[place] != "ON":
            continue
        if character in _BRACKETS:
            opened.append((_BRACKETS[character], place))
        for depth in range(len(opened) - 1, -1, -1):
            if opened[depth][0] == character:
                pairs.append((opened[depth][1], place))
                del opened[depth:]
                break
    return sorted(pairs)


def _neutral(types: list[str], around: str) -> None:
    """Rules N1 and N2: what has no direction takes that of its neighbours, if they agree."""
    place = 0
    for neutral, same in groupby([kind in _NEUTRAL for kind in types]):
        end = place + len(list(same))
        if neutral:
            before = _direction(types[place - 1]) if place else around
            after = _direction(types[end]) if end < len(types) else around
            types[place:end] = [before or around if before == after else around] * (end - place)
        place = end


def _direction(kind: str) -> str | None:
    """The direction of a letter or a number; numbers count as right-to-left."""
    if kind in _DIRECTION:
        return kind
    return "R" if kind in {"EN", "AN"} else None


def _level(kind: str, base: int) -> int:
    """Rules I1 and I2."""
    if base == 0:
        return {"L": 0, "R": 1}.get(kind, 2)
    return 1 if kind == "R" else 2
