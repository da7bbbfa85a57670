"""The manifest of a bundle, ``ensemble.json``: what its files are and how they answer together."""

import dataclasses
import json
from math import isclose
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from service.imaging import InputSpec
from service.inference.atomic_write import atomic_write
from service.inference.entries import (
    Agreement,
    Calibration,
    ChannelName,
    Compiled,
    Golden,
    GoldenKind,
    Indeterminate,
    Labels,
    LungsEntry,
    MemberEntry,
    Name,
    Part,
    Quantised,
    SuitabilityEntry,
    Threshold,
    ViewName,
    sentence,
)
from service.inference.errors import BundleError
from service.inference.provenance import Ages, Metrics, TrainingData

__all__ = [
    "MANIFEST_FILE",
    "SCHEMA_FILE",
    "Ages",
    "Agreement",
    "Calibration",
    "ChannelName",
    "Compiled",
    "Golden",
    "GoldenKind",
    "Indeterminate",
    "Labels",
    "LungsEntry",
    "Manifest",
    "MemberEntry",
    "Metrics",
    "Quantised",
    "SuitabilityEntry",
    "Threshold",
    "TrainingData",
    "ViewName",
    "json_schema",
    "write_schema",
]

MANIFEST_FILE: Final = "ensemble.json"
SCHEMA_FILE: Final = "ensemble.schema.json"

MIN_SIDE: Final = 16
MAX_SIDE: Final = 2048
"""Side of the tensor in pixels. Above 2048 one image would cost minutes on a processor."""


def _known_input_keys(value: object) -> object:
    # Pydantic ignores unknown keys of a plain dataclass; a typing error must not pass in silence.
    if isinstance(value, dict):
        known = {field.name for field in dataclasses.fields(InputSpec)}
        unknown = sorted(str(key) for key in value if key not in known)
        if unknown:
            raise sentence(f"holds the unknown key {unknown[0]!r}")
    return value


def _input_in_range(spec: InputSpec) -> InputSpec:
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (spec.height, spec.width)):
        raise sentence(f"needs a height and a width from {MIN_SIDE} to {MAX_SIDE} pixels")
    if not 0 < spec.scale <= 1:
        raise sentence("needs a scale above 0 and not above 1")
    return spec


class Manifest(Part):
    """What a bundle holds, where its numbers come from, and how its members make one answer."""

    schema_version: Literal[1] = 1
    name: Name
    version: Name
    input: Annotated[InputSpec, BeforeValidator(_known_input_keys), AfterValidator(_input_in_range)]
    members: tuple[MemberEntry, ...] = Field(min_length=1, max_length=16)
    combine: Literal["mean", "mean_logit"]
    calibration: Calibration = Calibration()
    threshold: Threshold
    labels: Labels = Labels()
    compiled: Compiled | None = None
    lungs: LungsEntry | None = None
    suitability: SuitabilityEntry | None = None
    indeterminate: Indeterminate | None = None
    training_data: TrainingData | None = None
    metrics: Metrics | None = None
    golden: tuple[Golden, ...] = ()

    @property
    def views(self) -> tuple[ChannelName, ...]:
        """What each channel of the engine's input shows, member by member; like ones share."""
        return tuple(name for group in self._groups for name in group)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the input that the engine takes: height, width, channels."""
        count = len(self.views)
        return self.input.height, self.input.width, count if count > 1 else self.input.channels

    @property
    def channels(self) -> tuple[slice, ...]:
        """Which channels of the input each member takes."""
        if len(self.views) == 1:
            return (slice(0, self.input.channels),) * len(self.members)
        starts, start = {}, 0
        for group in self._groups:
            starts[group] = slice(start, start + len(group))
            start += len(group)
        return tuple(starts[member.channels] for member in self.members)

    @property
    def _groups(self) -> tuple[tuple[ChannelName, ...], ...]:
        return tuple(dict.fromkeys(member.channels for member in self.members))

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for field in ("name", "file"):
            values = [getattr(member, field) for member in self.members]
            if len(set(values)) < len(values):
                raise sentence(f"has two members with the same {field}")
        files = [member.file for member in self.members]
        compiled = [self.compiled]
        if self.lungs:
            files.append(self.lungs.file)
            compiled.append(self.lungs.compiled)
        files += [self.suitability.file] if self.suitability else []
        for entry in filter(None, compiled):
            files += [graph.file for graph in entry.every_graph]
        if len(set(files)) < len(files):
            raise sentence("names one file for two networks or graphs")
        return self

    @model_validator(mode="after")
    def _golden_fits(self) -> Self:
        quantised = self.compiled.int8 if self.compiled else None
        for golden in (*self.golden, *(quantised.golden if quantised else ())):
            if len(golden.probabilities) != len(self.members):
                raise sentence("has a golden entry without one probability for each member")
        return self

    @model_validator(mode="after")
    def _views_can_be_made(self) -> Self:
        if self.views == ("frame",):
            return self
        if self.lungs is None:
            raise sentence("has a member that sees the lungs, and no network that finds them")
        spec = self.input
        if spec.height != spec.width or spec.channels != 1 or not isclose(spec.scale, 1 / 255):
            raise sentence("needs a square input of one channel from 0 to 1 to show the lungs")
        return self

    @model_validator(mode="after")
    def _suitability_needs_lungs(self) -> Self:
        if self.suitability and self.lungs is None:
            raise sentence(
                "judges whether a picture shows lungs, and has no network that finds them"
            )
        return self

    @model_validator(mode="after")
    def _threshold_is_indeterminate(self) -> Self:
        between = self.indeterminate
        if between and not between.lower <= self.threshold.value <= between.upper:
            raise sentence("has a threshold outside of the probabilities that are indeterminate")
        return self

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read a manifest from the bytes of its file.

        Raises:
            BundleError: Not JSON, or a field that is missing, unknown or out of range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise BundleError(_explain(error)) from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest file.

        Raises:
            BundleError: The file cannot be read, or ``from_json`` refuses it.
        """
        try:
            text = path.read_bytes()
        except OSError as error:
            raise BundleError(f"The manifest {path.name} cannot be read.") from error
        return cls.from_json(text)

    def to_json(self) -> str:
        """Write the manifest as text: fields in the order of the schema, a newline at the end."""
        content = self.model_dump(mode="json")
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, path: Path) -> None:
        """Replace a manifest file as one step, so that no reader ever sees half of it."""
        _replace(path, self.to_json())


def json_schema() -> str:
    """Give the JSON Schema of a manifest, as it stands beside it in ``models/``."""
    schema: dict[str, Any] = Manifest.model_json_schema()
    spec = schema["$defs"]["InputSpec"]
    spec["additionalProperties"] = False
    for side in ("height", "width"):
        spec["properties"][side] |= {"minimum": MIN_SIDE, "maximum": MAX_SIDE}
    spec["properties"]["scale"] |= {"exclusiveMinimum": 0, "maximum": 1}
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | schema, indent=2, ensure_ascii=False) + "\n"


def write_schema(path: Path) -> None:
    """Write the JSON Schema of a manifest."""
    _replace(path, json_schema())


def _replace(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


_REASONS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "string_pattern_mismatch": "has a form that is not allowed",
    "literal_error": "must be {expected}",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "has too few entries",
    "too_long": "has too many entries",
    "finite_number": "must be a finite number",
    "sentence": "{ending}",
}


def _explain(error: ValidationError) -> str:
    """Say in words what the first bad field is; one at a time is what a person can mend."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return "The manifest is not valid JSON."
    if not first["loc"]:
        return f"The manifest {_reason(first)}."
    field = ".".join(str(part) for part in first["loc"])
    return f"The manifest's field {field} {_reason(first)}."


def _reason(details: ErrorDetails) -> str:
    phrase = _REASONS.get(details["type"])
    if phrase is None:
        return "does not hold the kind of value it should"
    return phrase.format(**details.get("ctx", {}))
