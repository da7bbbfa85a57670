"""The manifest of a bundle, ``ensemble.json``: what its files are and how they answer together."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from service.files import atomic_write
from service.imaging import InputSpec
from service.inference.errors import BundleError

MANIFEST_FILE: Final = "ensemble.json"
SCHEMA_FILE: Final = "ensemble.schema.json"

MIN_SIDE: Final = 16
MAX_SIDE: Final = 2048
"""Side of the tensor in pixels. Above 2048 one image would cost minutes on a processor."""

# No slash, no leading dot: a name can only mean a plain file of the bundle's own folder.
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^\S(.{0,126}\S)?$")]
Probability = Annotated[float, Field(ge=0, le=1)]
GoldenKind = Literal["ramp", "checker", "chest"]


class _Part(BaseModel):
    # Built when first used: to serve, only the manifest itself is, and the others as parts of it.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class MemberEntry(_Part):
    """One network of the ensemble."""

    name: Name
    file: FileName
    sha256: Sha256
    architecture: str = ""
    view: str = ""
    metrics: dict[str, JsonValue] = {}


class Calibration(_Part):
    """Correction of the combined probability p: ``sigmoid(slope * logit(p) + intercept)``.

    The slope is positive, so that calibration never changes which of two radiographs ranks higher.
    ``platt`` fits both numbers (Platt 1999); ``temperature`` fits the slope alone (Guo 2017).
    """

    method: Literal["none", "platt", "temperature"] = "none"
    slope: float = Field(default=1.0, gt=0)
    intercept: float = 0.0
    fitted_on: str = ""

    @model_validator(mode="after")
    def _method_matches_its_numbers(self) -> Self:
        if self.method == "none" and (self.slope, self.intercept) != (1.0, 0.0):
            raise _sentence("says that nothing is calibrated, yet holds a slope or an intercept")
        if self.method == "temperature" and self.intercept != 0.0:
            raise _sentence("is a temperature, which has no intercept")
        return self


class Threshold(_Part):
    """A calibrated probability above ``value`` gives the positive label."""

    value: float = Field(gt=0, lt=1)
    rule: str


class Labels(_Part):
    """Names of the two classes."""

    negative: Name = "NORMAL"
    positive: Name = "PNEUMONIA"

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        if self.negative == self.positive:
            raise _sentence("gives both classes the same name")
        return self


class Golden(_Part):
    """A synthetic radiograph and the probability that each member must give it."""

    kind: GoldenKind
    probabilities: tuple[Probability, ...]
    tolerance: float = Field(default=1e-3, gt=0, le=0.1)


class Agreement(_Part):
    """How a graph compared with what it was made from, on radiographs: the figures of its gate."""

    images: int = Field(ge=0)
    largest_difference: float = Field(ge=0, description="Between two probabilities of one member.")
    largest_map_difference: float | None = Field(
        default=None, ge=0, description="Between two values of one map; null without maps."
    )
    verdicts_changed: int = Field(ge=0, description="Images that the two call differently.")
    auc_loss: float | None = Field(
        default=None, description="By how much the ensemble's AUC fell; null if not measured."
    )


class Quantised(_Part):
    """The compiled graph in 8-bit integers. Its answers differ slightly, so it has its own."""

    file: FileName
    sha256: Sha256
    agreement: Agreement
    golden: tuple[Golden, ...]


class Compiled(_Part):
    """One graph compiled from all members, and the digests of the files it was compiled from."""

    file: FileName
    sha256: Sha256
    sources: dict[FileName, Sha256]
    agreement: Agreement | None = None
    int8: Quantised | None = None

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each graph, by its file."""
        quantised = {self.int8.file: self.int8.sha256} if self.int8 else {}
        return {self.file: self.sha256} | quantised


class TrainingData(_Part):
    """The images the members were trained on."""

    digest: str
    description: str
    images: int = Field(ge=0)
    patients: int = Field(ge=0)


class Metrics(_Part):
    """Figures of the whole ensemble and the protocol that gave them."""

    protocol: str
    figures: dict[str, JsonValue]


def _sentence(ending: str) -> PydanticCustomError:
    return PydanticCustomError("sentence", "{ending}", {"ending": ending})


def _known_input_keys(value: object) -> object:
    # Pydantic ignores unknown keys of a plain dataclass; a typing error must not pass in silence.
    if isinstance(value, dict):
        known = {field.name for field in dataclasses.fields(InputSpec)}
        unknown = sorted(str(key) for key in value if key not in known)
        if unknown:
            raise _sentence(f"holds the unknown key {unknown[0]!r}")
    return value


def _input_in_range(spec: InputSpec) -> InputSpec:
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in (spec.height, spec.width)):
        raise _sentence(f"needs a height and a width from {MIN_SIDE} to {MAX_SIDE} pixels")
    if not 0 < spec.scale <= 1:
        raise _sentence("needs a scale above 0 and not above 1")
    return spec


class Manifest(_Part):
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
    training_data: TrainingData | None = None
    metrics: Metrics | None = None
    golden: tuple[Golden, ...] = ()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        for field in ("name", "file"):
            values = [getattr(member, field) for member in self.members]
            if len(set(values)) < len(values):
                raise _sentence(f"has two members with the same {field}")
        graphs = list(self.compiled.digests) if self.compiled else []
        if set(graphs) & {member.file for member in self.members}:
            raise _sentence("names one file both as a member and as the compiled graph")
        quantised = self.compiled.int8 if self.compiled else None
        if quantised and len(graphs) < 2:
            raise _sentence("names one file for both compiled graphs")
        for golden in (*self.golden, *(quantised.golden if quantised else ())):
            if len(golden.probabilities) != len(self.members):
                raise _sentence("has a golden entry without one probability for each member")
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
