"""What became of one file, and its row in a table."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.inference import Ensemble
from service.screening.verdict import ModelRef, Verdict

_BEFORE_MEMBERS: Final = ("path", "predicted_class", "probability", "threshold")
_AFTER_MEMBERS: Final = (
    "model_name",
    "model_version",
    "model_digest",
    "engine",
    "image_format",
    "image_width",
    "image_height",
    "image_sha256",
    "error",
    "message",
)
_MEMBER: Final = "member_"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file has no verdict.

    Attributes:
        code: Stable name of the reason, for programs; the API's where it has one.
        message: One sentence for people.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        path: As ``names.shown`` writes it.
        result: The verdict, or why there is none.
    """

    path: str
    result: Verdict | Failure

    def as_json(self) -> dict[str, Any]:
        """The path and, beside it, the fields that the API answers, or ``error``."""
        if isinstance(self.result, Failure):
            return {"path": self.path, "error": dataclasses.asdict(self.result)}
        return {"path": self.path, **dataclasses.asdict(self.result)}


@dataclass(frozen=True, slots=True)
class Row:
    """What is read back of a row.

    Attributes:
        path: As ``names.shown`` writes it.
        predicted_class: Empty for a file that failed.
        sha256: Of the image; empty for a file that failed.
        model: What answered.
    """

    path: str
    predicted_class: str
    sha256: str
    model: ModelRef


class Columns:
    """The columns of one bundle's table.

    Args:
        model: Which model answers.
        members: The names of its networks; each has a column.
        engine: What computes them, and in which precision: their answers differ a little.
    """

    def __init__(self, model: ModelRef, members: Sequence[str], engine: str) -> None:
        self.model = model
        self._engine = engine
        self._members = tuple(members)
        self.header = (
            *_BEFORE_MEMBERS,
            *(f"{_MEMBER}{name}" for name in self._members),
            *_AFTER_MEMBERS,
        )

    @classmethod
    def of(cls, ensemble: Ensemble) -> "Columns":
        """The columns of an ensemble's verdicts."""
        bundle, manifest = ensemble.bundle, ensemble.bundle.manifest
        model = ModelRef(name=manifest.name, version=manifest.version, digest=bundle.digest)
        names = [member.name for member in manifest.members]
        return cls(model, names, f"{ensemble.engine_name} {ensemble.precision}")

    def cells(self, outcome: Outcome) -> list[str]:
        """Write an outcome as a row; numbers read back as exactly what they were."""
        model, result = self.model, outcome.result
        identity = [model.name, model.version, model.digest, self._engine]
        if isinstance(result, Failure):
            blank = [""] * (len(_BEFORE_MEMBERS) - 1 + len(self._members))
            return [outcome.path, *blank, *identity, "", "", "", "", result.code, result.message]
        image = result.image
        return [
            outcome.path,
            result.predicted_class,
            repr(result.probability),
            repr(result.threshold),
            *(repr(member.probability) for member in result.members),
            *identity,
            image.format,
            str(image.width),
            str(image.height),
            image.sha256,
            "",
            "",
        ]


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether these are the columns of some bundle's table."""
    first, last = len(_BEFORE_MEMBERS), len(cells) - len(_AFTER_MEMBERS)
    return (
        tuple(cells[:first]) == _BEFORE_MEMBERS
        and tuple(cells[max(first, last) :]) == _AFTER_MEMBERS
        and all(cell.startswith(_MEMBER) for cell in cells[first:last])
    )


def read_row(header: Sequence[str], cells: Sequence[str]) -> Row | None:
    """Read a row under its header; None when it has other columns or says nothing of its model."""
    if len(cells) != len(header):
        return None
    named = dict(zip(header, cells, strict=True))
    model = ModelRef(named["model_name"], named["model_version"], named["model_digest"])
    if not (named["path"] and model.digest and (named["image_sha256"] or named["error"])):
        return None
    return Row(named["path"], named["predicted_class"], named["image_sha256"], model)
