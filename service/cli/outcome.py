"""The outcome of one file, and its row in a CSV table."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.inference import Ensemble
from service.screening.verdict import ModelRef, Verdict
from service.screening.wording import localise, warn

_FIRST: Final = ("path", "predicted_class", "assessment", "probability", "threshold")
_LAST: Final = (
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
    "warnings",
    "local_prevalence",
    "local_probability",
)
_MEMBER_PREFIX: Final = "member_"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file has no verdict.

    Attributes:
        code: Stable code of the reason, for programs; that of the API if it has one.
        message: One sentence for the user.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one file.

    Attributes:
        path: As ``printable_path`` writes it.
        result: The verdict, or why there is none.
    """

    path: str
    result: Verdict | Failure

    def as_json(self) -> dict[str, Any]:
        """The path, with the fields of the API's answer or with ``error``."""
        if isinstance(self.result, Failure):
            return {"path": self.path, "error": dataclasses.asdict(self.result)}
        verdict = dataclasses.asdict(self.result) | {"warnings": warn(self.result, "en")}
        del verdict["trained_on"], verdict["indeterminate"]  # the same for all
        if self.result.local:
            verdict["local"] |= {"note": localise(self.result, "en")}
        return {"path": self.path, **verdict}


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read back.

    Attributes:
        path: As ``printable_path`` writes it.
        predicted_class: Empty for a file that failed.
        assessment: The same.
        sha256: Digest of the image; empty for a file that failed.
        model: The model that was used.
    """

    path: str
    predicted_class: str
    assessment: str
    sha256: str
    model: ModelRef


class Columns:
    """The columns of a table for one model.

    Args:
        model: The model that is used.
        members: Names of its networks; each has a column.
        engine: Engine and precision, which change the probabilities a little.
    """

    def __init__(self, model: ModelRef, members: Sequence[str], engine: str) -> None:
        self.model = model
        self._engine = engine
        self._members = tuple(members)
        self.header = (
            *_FIRST,
            *(f"{_MEMBER_PREFIX}{name}" for name in self._members),
            *_LAST,
        )

    @classmethod
    def for_ensemble(cls, ensemble: Ensemble) -> "Columns":
        """The columns for the verdicts of an ensemble."""
        bundle, manifest = ensemble.bundle, ensemble.bundle.manifest
        model = ModelRef(name=manifest.name, version=manifest.version, digest=bundle.digest)
        names = [member.name for member in manifest.members]
        return cls(model, names, f"{ensemble.engine_name} {ensemble.precision}")

    def cells(self, outcome: Outcome) -> list[str]:
        """Write an outcome as a row; numbers can be read back exactly."""
        model, result = self.model, outcome.result
        identity = [model.name, model.version, model.digest, self._engine]
        if isinstance(result, Failure):
            blank = [""] * (len(_FIRST) - 1 + len(self._members))
            reason = [result.code, result.message]
            return [outcome.path, *blank, *identity, "", "", "", "", *reason, "", "", ""]
        image, local = result.image, result.local
        shifted = local.probability if local else None
        return [
            outcome.path,
            result.predicted_class,
            result.assessment,
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
            " ".join(result.warnings),
            repr(local.prevalence) if local else "",
            "" if shifted is None else repr(shifted),
        ]


def is_header(cells: Sequence[str]) -> bool:
    """Whether these are the columns of a table for any model."""
    first, last = len(_FIRST), len(cells) - len(_LAST)
    return (
        tuple(cells[:first]) == _FIRST
        and tuple(cells[max(first, last) :]) == _LAST
        and all(cell.startswith(_MEMBER_PREFIX) for cell in cells[first:last])
    )


def read_row(header: Sequence[str], cells: Sequence[str]) -> Row | None:
    """Read a row by its header; None if its columns differ or it does not name its model."""
    if len(cells) != len(header):
        return None
    values = dict(zip(header, cells, strict=True))
    model = ModelRef(values["model_name"], values["model_version"], values["model_digest"])
    if not (values["path"] and model.digest and (values["image_sha256"] or values["error"])):
        return None
    return Row(
        values["path"],
        values["predicted_class"],
        values["assessment"],
        values["image_sha256"],
        model,
    )
