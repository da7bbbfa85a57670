"""The wording of a verdict, the same in the API, on the page and in reports."""

from typing import Final

from service.i18n import Language, texts
from service.screening.explanation import Explanation
from service.screening.operating_point import Estimate
from service.screening.overlay import is_coloured
from service.screening.verdict import DECIMALS, Verdict

NO_BREAK: Final = "\N{NO-BREAK SPACE}"

_DECIMAL_COMMA: Final[frozenset[Language]] = frozenset({"es"})


def summarise(verdict: Verdict, language: Language) -> str:
    """Summarise a verdict in a few sentences."""
    key = {"pneumonia": "positive", "normal": "negative"}.get(verdict.assessment, "indeterminate")
    return texts(language)["verdict"][f"summary.{key}"].format(**numbers(verdict, language))


def numbers(verdict: Verdict, language: Language) -> dict[str, str]:
    """The probability, the threshold and the indeterminate range, as sentences write them."""
    between = verdict.indeterminate
    values = {
        "probability": verdict.probability,
        "threshold": verdict.threshold,
        "lowest": between.lower if between else verdict.threshold,
        "highest": between.upper if between else verdict.threshold,
    }
    return {name: figure(value, language) for name, value in values.items()}


def assess(verdict: Verdict, language: Language) -> str:
    """The assessment as a headline."""
    return texts(language)["verdict"][f"assessment.{verdict.assessment}"]


def next_step(verdict: Verdict, language: Language) -> str:
    """What should be done next, in a sentence."""
    return texts(language)["verdict"][f"next.{verdict.assessment}"]


def scope(verdict: Verdict, language: Language) -> str:
    """What the model was trained on, and what follows from that."""
    if not verdict.trained_on:
        return texts(language)["verdict"]["scope.unknown"]
    data = describe_data(verdict.trained_on, language)
    return texts(language)["verdict"]["scope.known"].format(data=data)


def describe_data(description: str, language: Language) -> str:
    """What a manifest says of its training data, in a language.

    Manifests are in English. A description that stands in the English catalogue has its
    counterpart in the other ones; any other is quoted as it is, and said to be in English.
    """
    catalogue = texts(language)["verdict"]
    for key, text in texts("en")["verdict"].items():
        if key.startswith("data.") and text == description:
            return catalogue[key]
    return catalogue["scope.quoted"].format(data=description.rstrip("."))


def localise(verdict: Verdict, language: Language) -> str:
    """What the verdict amounts to at the local prevalence; empty if that is not known.

    An indeterminate verdict has no predictive value: those are of all results on a side of the
    threshold, most of which are far from it.
    """
    local = verdict.local
    if local is None:
        return ""
    catalogue = texts(language)["verdict"]
    key = "local.no_probability" if local.probability is None else "local.probability"
    first = catalogue[key].format(
        prevalence=percent(local.prevalence, language),
        probability=figure(local.probability or 0.0, language),
    )
    if verdict.assessment == "indeterminate":
        return first
    above = verdict.probability > verdict.threshold
    value = local.ppv if above else local.npv
    if value is None:
        return f"{first} {catalogue['local.no_values']}"
    second = catalogue["local.above" if above else "local.below"]
    return f"{first} {second.format(**shares(value, language))}"


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
    return note if is_coloured(explanation) else f"{catalogue['map.empty']} {note}"


def percent(share: float, language: Language) -> str:
    """Write a share in per cent, to a tenth."""
    return f"{figure(round(100 * share, 1), language, 1)}{NO_BREAK}%"


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


def shares(estimate: Estimate, language: Language) -> dict[str, str]:
    """Write an estimate and the ends of its interval in per cent."""
    return {
        "value": percent(estimate.value, language),
        "low": percent(estimate.low, language),
        "high": percent(estimate.high, language),
    }
