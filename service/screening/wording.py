"""A verdict in words and figures, the same wherever it is told."""

from typing import Final

from service.i18n import Language, texts
from service.screening.explanation import Explanation
from service.screening.verdict import DECIMALS, Verdict

_DECIMAL_COMMA: Final[frozenset[Language]] = frozenset({"es"})


def summarise(verdict: Verdict, language: Language) -> str:
    """Say a verdict in one or two sentences for people."""
    key = "summary.positive" if verdict.probability > verdict.threshold else "summary.negative"
    return texts(language)["verdict"][key].format(
        probability=figure(verdict.probability, language),
        threshold=figure(verdict.threshold, language),
    )


def describe_map(explanation: Explanation, language: Language) -> str:
    """Say what the map of an explanation is and is not."""
    told = texts(language)["verdict"]
    rows, columns = explanation.heat.shape
    note = told["map.note"].format(rows=rows, columns=columns)
    return note if explanation.heat.max() > 0 else f"{told['map.empty']} {note}"


def figure(value: float, language: Language, decimals: int = DECIMALS) -> str:
    """Write a number as a language does.

    A number with more decimals, such as a threshold may have, is written in full: rounding could
    make it equal to a probability that lies above it.

    Args:
        value: Any finite number.
        language: Decides between decimal point and comma.
        decimals: How many are written at least.
    """
    text = f"{value:.{decimals}f}"
    if float(text) != value:
        text = repr(value)
    return text.replace(".", ",") if language in _DECIMAL_COMMA else text
