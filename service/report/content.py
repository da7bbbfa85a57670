"""The texts of the report, as plain strings; ``page`` lays them out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from service import __version__
from service.i18n import Language, Texts, texts
from service.inference import Bundle, Manifest
from service.screening.explanation import Explanation, Unexplained
from service.screening.operating_point import operating_point
from service.screening.wording import (
    assess,
    describe_data,
    describe_map,
    figure,
    localise,
    next_step,
    numbers,
    scope,
    shares,
    warn,
)


@dataclass(frozen=True, slots=True)
class Content:
    """Every text of the page, in reading order.

    Attributes:
        language: Language of the texts; quotations from the manifest stay in English.
        title: Heading and title of the document.
        subject: Subject of the document.
        made: When it was created.
        request: ID of the request.
        reference: As entered by the user; may be empty.
        headline: The assessment in a few words.
        sentence: The verdict with its numbers.
        local: What it amounts to at the local prevalence; empty if that is not known.
        advice: The next step, and what the model was trained on.
        warnings: Reasons to doubt the verdict.
        disclaimer: That it is not a diagnosis.
        probability: Label of the probability's mark.
        threshold: Label of the threshold's mark.
        between: Label of the range that is indeterminate.
        members: The probability of each network.
        captions: Captions of the radiograph and of the map.
        map_note: What the map shows, or why there is none.
        scale: Labels of both ends of the colour scale; None without a map.
        facts: Label and value of what identifies image and model.
        trust: Measured performance.
        use: Intended use and limitations.
        headings: Headings of facts, trust, use and note.
        note: As entered by the user; may be empty.
        footer: How the report was created.
        missing: What to print about unprintable characters.
    """

    language: Language
    title: str
    subject: str
    made: str
    request: str
    reference: str
    headline: str
    sentence: str
    local: str
    advice: tuple[str, ...]
    warnings: tuple[str, ...]
    disclaimer: str
    probability: str
    threshold: str
    between: str
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
        """Write the texts for a result and its bundle."""
        catalogue = texts(language)["report"]
        verdict = result.verdict
        above = verdict.probability > verdict.threshold
        undecided = verdict.assessment == "indeterminate"
        position = "undecided" if undecided else "above" if above else "below"
        values = numbers(verdict, language)
        typed = catalogue["head.typed"] if reference.strip() or note.strip() else ""
        automatic = catalogue["head.automatic"].format(
            service="pneumonia-xray", version=__version__
        )
        explained = isinstance(result, Explanation)
        return cls(
            language=language,
            title=catalogue["head.title"],
            subject=catalogue["head.subject"],
            made=catalogue["head.made"].format(time=_moment(made_at)),
            request=catalogue["head.request"].format(id=request_id),
            reference=catalogue["head.reference"].format(reference=reference) if reference else "",
            headline=assess(verdict, language),
            sentence=catalogue[f"verdict.{position}"].format(
                **values, label=verdict.predicted_class
            ),
            local=localise(verdict, language),
            advice=(next_step(verdict, language), scope(verdict, language)),
            warnings=tuple(each["detail"] for each in warn(verdict, language)),
            disclaimer=catalogue["verdict.disclaimer"],
            probability=catalogue["verdict.probability"].format(**values),
            threshold=catalogue["verdict.threshold"].format(**values),
            between=catalogue["verdict.between"].format(**values),
            members=tuple(
                catalogue["verdict.member"].format(
                    name=_network(member.name, language),
                    probability=figure(member.probability, language),
                )
                for member in verdict.members
            ),
            captions=(
                catalogue["image.radiograph"],
                catalogue["image.map" if explained else "image.no_map"],
            ),
            map_note=_map_note(result, language),
            scale=(catalogue["image.weak"], catalogue["image.strong"]) if explained else None,
            facts=_facts(result, bundle.manifest, language),
            trust=(
                *measured(bundle.manifest, language),
                *_calibration(bundle.manifest, catalogue),
            ),
            use=(
                catalogue["use.intended"],
                catalogue["use.answers"],
                _training(bundle.manifest, language),
            ),
            headings=(
                catalogue["facts.heading"],
                catalogue["trust.heading"],
                catalogue["use.heading"],
                catalogue["note.heading"],
            ),
            note=note,
            footer=" ".join(filter(None, (automatic, typed))),
            missing=catalogue["head.missing"],
        )


def _network(name: str, language: Language) -> str:
    """What the page calls a network; one that it does not know keeps its manifest's name."""
    return texts(language)["page"].get(f"script.member_{name}", name)


def _moment(made_at: datetime) -> str:
    """Date, time and UTC offset in ISO order, which is unambiguous in every country."""
    zone = made_at.strftime("%z")
    return f"{made_at:%Y-%m-%d %H:%M:%S} (UTC{zone[:3]}:{zone[3:5]})"


def _map_note(result: Explanation | Unexplained, language: Language) -> str:
    if isinstance(result, Unexplained):
        return texts(language)["report"]["image.no_map_reason"].format(reason=result.reason)
    return describe_map(result, language)


def _facts(
    result: Explanation | Unexplained, manifest: Manifest, language: Language
) -> tuple[tuple[str, str], ...]:
    catalogue = texts(language)["report"]
    image, model = result.verdict.image, result.verdict.model
    size = catalogue["facts.image_value"].format(
        format=image.format, width=image.width, height=image.height
    )
    rule = catalogue["facts.rule_value"].format(
        value=figure(manifest.threshold.value, language), rule=manifest.threshold.rule
    )
    return (
        (catalogue["facts.image"], size),
        (catalogue["facts.sha256"], image.sha256),
        (catalogue["facts.model"], f"{model.name} {model.version}"),
        (catalogue["facts.digest"], model.digest),
        (catalogue["facts.rule"], rule),
    )


def measured(manifest: Manifest, language: Language) -> tuple[str, ...]:
    """Sensitivity and specificity at the operating point, or that they are unknown; sentences."""
    catalogue = texts(language)["report"]
    point = operating_point(manifest)
    if manifest.metrics is None or point is None:
        return (catalogue["trust.unmeasured"],)
    sensitivity, specificity = (
        catalogue["trust.interval"].format(**shares(each, language)) for each in point
    )
    return (
        catalogue["trust.figures"].format(sensitivity=sensitivity, specificity=specificity),
        catalogue["trust.protocol"].format(protocol=manifest.metrics.protocol.rstrip(".")),
    )


def _calibration(manifest: Manifest, catalogue: Texts) -> tuple[str, ...]:
    calibration = manifest.calibration
    sentence = catalogue[f"trust.calibration_{calibration.method}"]
    if not calibration.fitted_on:
        return (sentence,)
    return (
        f"{sentence} {catalogue['trust.fitted_on'].format(data=calibration.fitted_on.rstrip('.'))}",
    )


def _training(manifest: Manifest, language: Language) -> str:
    catalogue, data = texts(language)["report"], manifest.training_data
    if data is None:
        return catalogue["use.unknown"]
    return catalogue["use.trained"].format(
        data=describe_data(data.description, language), images=data.images, patients=data.patients
    )
