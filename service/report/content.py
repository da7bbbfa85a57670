"""What the report says, as plain strings: how it looks is the page's business."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from pydantic import JsonValue

from service import __version__
from service.i18n import Language, Texts, texts
from service.inference import Bundle, Manifest
from service.screening.explanation import Explanation, Unexplained
from service.screening.wording import describe_map, figure

NO_BREAK: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Content:
    """Every text of the page, in the order in which it is read.

    Attributes:
        language: What the texts are in; sentences of the manifest stay English and are quoted.
        title: Heading, and title of the document.
        subject: What kind of document it is.
        made: When it was made.
        request: Name of the request.
        reference: As typed by the user; empty if nothing was.
        headline: The verdict in a few words.
        sentence: The verdict with its figures.
        disclaimer: What it is not.
        probability: Label of the probability's mark.
        threshold: Label of the threshold's mark.
        members: What each network said.
        captions: Of the radiograph and of what stands beside it.
        map_note: What the map is and is not, or why there is none.
        scale: Names of both ends of the map's colours; None without a map.
        facts: Label and value of what identifies image and model.
        trust: What was measured.
        use: Intended use and limits.
        headings: Of facts, trust, use and note.
        note: As typed by the user; empty if nothing was.
        footer: Who made the report.
        missing: What to say of characters that cannot be printed.
    """

    language: Language
    title: str
    subject: str
    made: str
    request: str
    reference: str
    headline: str
    sentence: str
    disclaimer: str
    probability: str
    threshold: str
    members: tuple[str, ...]
    captions: tuple[str, str]
    map_note: str
    scale: tuple[str, str] | None
    facts: tuple[tuple[str, str], ...]
    trust: tuple[str, ...]
    use: tuple[str, ...]
    headings: tuple[str, str, str, str]
    note: str
    footer: str
    missing: str

    @classmethod
    def of(
        cls,
        result: Explanation | Unexplained,
        bundle: Bundle,
        *,
        language: Language,
        request_id: str,
        made_at: datetime,
        reference: str,
        note: str,
    ) -> Self:
        """Put a result and what its bundle tells into words."""
        told = texts(language)["report"]
        verdict = result.verdict
        positive = verdict.probability > verdict.threshold
        probability = figure(verdict.probability, language)
        threshold = figure(verdict.threshold, language)
        typed = told["head.typed"] if reference.strip() or note.strip() else ""
        automatic = told["head.automatic"].format(service="pneumonia-xray", version=__version__)
        explained = isinstance(result, Explanation)
        return cls(
            language=language,
            title=told["head.title"],
            subject=told["head.subject"],
            made=told["head.made"].format(time=_moment(made_at)),
            request=told["head.request"].format(id=request_id),
            reference=told["head.reference"].format(reference=reference) if reference else "",
            headline=told["verdict.positive" if positive else "verdict.negative"],
            sentence=told["verdict.above" if positive else "verdict.below"].format(
                probability=probability, threshold=threshold, label=verdict.predicted_class
            ),
            disclaimer=told["verdict.disclaimer"],
            probability=told["verdict.probability"].format(value=probability),
            threshold=told["verdict.threshold"].format(value=threshold),
            members=tuple(
                told["verdict.member"].format(
                    name=member.name, probability=figure(member.probability, language)
                )
                for member in verdict.members
            ),
            captions=(
                told["image.radiograph"],
                told["image.map" if explained else "image.no_map"],
            ),
            map_note=_map_note(result, language),
            scale=(told["image.weak"], told["image.strong"]) if explained else None,
            facts=_facts(result, bundle.manifest, language),
            trust=(*_measured(bundle.manifest, language), *_calibration(bundle.manifest, told)),
            use=(told["use.intended"], told["use.answers"], _training(bundle.manifest, told)),
            headings=(
                told["facts.heading"],
                told["trust.heading"],
                told["use.heading"],
                told["note.heading"],
            ),
            note=note,
            footer=" ".join(filter(None, (automatic, typed))),
            missing=told["head.missing"],
        )


def _moment(made_at: datetime) -> str:
    """Date, time and distance from UTC, in the one order that every country reads alike."""
    zone = made_at.strftime("%z")
    return f"{made_at:%Y-%m-%d %H:%M:%S} (UTC{zone[:3]}:{zone[3:5]})"


def _map_note(result: Explanation | Unexplained, language: Language) -> str:
    if isinstance(result, Unexplained):
        return texts(language)["report"]["image.no_map_reason"].format(reason=result.reason)
    return describe_map(result, language)


def _facts(
    result: Explanation | Unexplained, manifest: Manifest, language: Language
) -> tuple[tuple[str, str], ...]:
    told = texts(language)["report"]
    image, model = result.verdict.image, result.verdict.model
    size = told["facts.image_value"].format(
        format=image.format, width=image.width, height=image.height
    )
    rule = told["facts.rule_value"].format(
        value=figure(manifest.threshold.value, language), rule=manifest.threshold.rule
    )
    return (
        (told["facts.image"], size),
        (told["facts.sha256"], image.sha256),
        (told["facts.model"], f"{model.name} {model.version}"),
        (told["facts.digest"], model.digest),
        (told["facts.rule"], rule),
    )


def _measured(manifest: Manifest, language: Language) -> tuple[str, ...]:
    """The operating point's own figures, if the manifest holds them."""
    told = texts(language)["report"]
    figures = manifest.metrics.figures.get("ensemble") if manifest.metrics else None
    if manifest.metrics is None or not isinstance(figures, Mapping):
        return (told["trust.unmeasured"],)
    sensitivity = _with_interval(figures.get("sensitivity"), language)
    specificity = _with_interval(figures.get("specificity"), language)
    if not sensitivity or not specificity:
        return (told["trust.unmeasured"],)
    return (
        told["trust.figures"].format(sensitivity=sensitivity, specificity=specificity),
        told["trust.protocol"].format(protocol=manifest.metrics.protocol.rstrip(".")),
    )


def _with_interval(measured: JsonValue, language: Language) -> str:
    """A share in per cent with its interval; empty if the manifest holds no such thing."""
    if not isinstance(measured, Mapping):
        return ""
    shares = [measured.get(key) for key in ("value", "low", "high")]
    numbers = [share for share in shares if isinstance(share, (int, float))]
    if len(numbers) < len(shares):
        return ""
    value, low, high = (
        f"{figure(round(100 * share, 1), language, 1)}{NO_BREAK}%" for share in numbers
    )
    return texts(language)["report"]["trust.interval"].format(value=value, low=low, high=high)


def _calibration(manifest: Manifest, told: Texts) -> tuple[str, ...]:
    calibration = manifest.calibration
    words = told[f"trust.calibration_{calibration.method}"]
    if not calibration.fitted_on:
        return (words,)
    return (f"{words} {told['trust.fitted_on'].format(data=calibration.fitted_on.rstrip('.'))}",)


def _training(manifest: Manifest, told: Texts) -> str:
    data = manifest.training_data
    if data is None:
        return told["use.untold"]
    return told["use.trained"].format(
        data=data.description.rstrip("."), images=data.images, patients=data.patients
    )
