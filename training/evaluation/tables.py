"""Figures as text: Markdown tables, and numbers with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table; the columns are those of the first row.

    Raises:
        ValueError: There are no rows.
    """
    if not rows:
        raise ValueError("A table needs a row.")
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[str(row.get(column, "")) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def ratio(figure: Mapping[str, Any] | None) -> str:
    """A figure from 0 to 1 with its interval: ``0.980 (0.970-0.990)``; a dash for none."""
    if figure is None:
        return "-"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"


def percent(figure: Mapping[str, Any] | None) -> str:
    """A share in per cent with its interval: ``12.5 % (9.1-16.8)``; a dash for none."""
    if figure is None:
        return "-"
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:.1f} % ({low:.1f}-{high:.1f})"


def number(value: float | None, digits: int = 3) -> str:
    """A plain number; a dash for none."""
    return "-" if value is None else f"{value:.{digits}f}"
