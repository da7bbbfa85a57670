"""The wording of a verdict, the same in the API, on the page and in reports."""

from typing import Final

from service.i18n import Language, texts
from service.screening.explanation import Explanation
from service.screening.verdict import DECIMALS, Verdict

_DECIMAL_COMMA: Final[frozenset[Language]] = frozenset({"es"})


def summarise(verdict: Verdict, language: Language) -> str:
    """Summarise a verdict in a few sentences."""
    key = {"pneumonia": "positive", "normal": "negative"}.get(verdict.assessment, "indeterminate")
    return texts(language)["verdict"][f"summary.{key}"].format(
        probability=figure(verdict.probability, language),
        threshold=figure(verdict.threshold, language),
    )


def assess(verdict: Verdict, language: Language) -> str:
    """The assessment as a headline."""
    return texts(language)["verdict"][f"assessment.{verdict.assessment}"]


def next_step(verdict: Verdict, language: Language) -> str:
    """What should be done next, in a sentence."""
    return texts(language)["verdict"][f"next.{verdict.assessment}"]


def scope(verdict: Verdict, language: Language) -> str:
    """What the model was trained on, and what follows from that."""
    catalogue = texts(language)["verdict"]
    if not verdict.trained_on:
        return catalogue["scope.unknown"]
    return catalogue["scope.known"].format(data=verdict.trained_on.rstrip("."))


def warn(verdict: Verdict, language: Language) -> list[dict[str, str]]:
    """The warnings: for each its ``code`` and its ``detail``, a sentence or two."""
    catalogue = texts(language)["verdict"]
    return [{"code": code, "detail": catalogue[f"warning.{code}"]} for code in verdict.warnings]


def describe_map(explanation: Explanation, language: Language) -> str:
    """Explain what a map shows and what it does not."""
    catalogue = texts(language)["verdict"]
    rows, columns = explanation.heat.shape
    key = "map.note_lungs" if explanation.lungs else "map.note"
    note = catalogue[key].format(rows=rows, columns=columns)
    return note if explanation.heat.max() > 0 else f"{catalogue['map.empty']} {note}"


def figure(value: float, language: Language, decimals: int = DECIMALS) -> str:
    """Write a number with the decimal separator of a language.

    A number with more decimals, such as a threshold, is written in full: rounding could make it
    equal to a probability above it.

    Args:
        value: Any finite number.
        language: Decides between decimal point and comma.
        decimals: Minimum number of decimals.
    """
    text = f"{value:.{decimals}f}"
    if float(text) != value:
        text = repr(value)
    return text.replace(".", ",") if language in _DECIMAL_COMMA else text
