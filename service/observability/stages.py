"""What happens in one request: how long each stage takes, which images are read, what goes wrong.

A journal is opened for each request and travels with its context, into the inference threads too.
Where none is open, as on the command line, marking a stage costs next to nothing and leaves none.
"""

import time
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, NamedTuple

Stage = Literal["upload", "queue", "decode", "prepare", "inference"]

STAGES: Final[tuple[Stage, ...]] = ("upload", "queue", "decode", "prepare", "inference")

UNKNOWN: Final = "other"
"""Stands for every path and method that the service does not know."""

CLIENT_GONE: Final = 499
"""Status of a request that nobody was left to answer."""


class Lap(NamedTuple):
    """One stage that ended.

    Attributes:
        stage: Which it was.
        start_s: When it began, by ``time.perf_counter``.
        seconds: How long it took.
    """

    stage: Stage
    start_s: float
    seconds: float


@dataclass(slots=True)
class ImageNote:
    """One file that was read.

    Attributes:
        sha256: Hexadecimal digest of its bytes.
        size: Its bytes.
        model_digest: The bundle that was asked; None if none was.
        predicted_class: The verdict; None if it could not be screened.
    """

    sha256: str
    size: int
    model_digest: str | None = None
    predicted_class: str | None = None


@dataclass(slots=True)
class Journal:
    """One request. It holds nothing that a client chose, but for a request id that names nobody.

    Attributes:
        request_id: As ``service.api.middleware`` lets it into the log.
        route: Template of the route, or ``UNKNOWN``.
        method: HTTP method, or ``UNKNOWN``.
        status: Status of the answer.
        total_s: From the first byte of the request to the answer's; None before that.
        parent: W3C ``traceparent`` of the caller, when traces are made.
        laps: Stages that ended; a batch has several of each.
        images: Files that were read.
        problems: Codes of the problems that were answered.
    """

    request_id: str
    route: str = UNKNOWN
    method: str = UNKNOWN
    status: int = CLIENT_GONE
    total_s: float | None = None
    parent: str | None = None
    laps: list[Lap] = field(default_factory=list)
    images: list[ImageNote] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    start_s: float = field(default_factory=time.perf_counter)
    start_ns: int = field(default_factory=time.time_ns)

    def ended(self, stage: Stage, start_s: float) -> None:
        """Note that a stage, begun at ``start_s``, ends now."""
        self.laps.append(Lap(stage, start_s, time.perf_counter() - start_s))

    def answered(self, status: int) -> None:
        """Note that the answer begins now; only the first time counts."""
        if self.total_s is None:
            self.status = status
            self.total_s = time.perf_counter() - self.start_s

    def milliseconds(self) -> dict[str, float]:
        """How long each stage took and the whole; the stages of a batch's images are added up."""
        sums: dict[str, float] = {}
        for lap in tuple(self.laps):  # work whose client has gone may still add to them
            sums[lap.stage] = sums.get(lap.stage, 0.0) + lap.seconds
        ordered: dict[str, float] = {stage: sums[stage] for stage in STAGES if stage in sums}
        if self.total_s is not None:
            ordered["total"] = self.total_s
        # With a number of decimals ``round`` writes each figure out in decimal and reads it again.
        return {name: round(seconds * 1e4) / 10 for name, seconds in ordered.items()}


_current: ContextVar[Journal | None] = ContextVar("journal", default=None)


class opened:  # noqa: N801 - as ``stage``
    """Has what happens in this context written to a journal."""

    __slots__ = ("_journal", "_token")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        self._token: Token[Journal | None] = _current.set(self._journal)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


class stage:  # noqa: N801 - it reads as the statement that it is: ``with stage("decode"):``
    """Marks a stage of the request under way; it counts also when it ends with an exception."""

    __slots__ = ("_journal", "_name", "_start_s")

    def __init__(self, name: Stage) -> None:
        self._name = name
        self._journal = _current.get()

    def __enter__(self) -> None:
        self._start_s = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._journal is not None:
            self._journal.ended(self._name, self._start_s)


def note_image(sha256: str, size: int) -> None:
    """Write a file that was read to the journal of the request under way."""
    journal = _current.get()
    if journal is not None:
        journal.images.append(ImageNote(sha256, size))


def note_verdict(sha256: str, predicted_class: str, model_digest: str) -> None:
    """Write the verdict on a file beside the note of that file."""
    journal = _current.get()
    for image in journal.images if journal is not None else ():
        if image.sha256 == sha256 and image.predicted_class is None:
            image.predicted_class = predicted_class
            image.model_digest = model_digest
            return


def note_problem(code: str) -> None:
    """Write a problem that is answered to the journal of the request under way."""
    journal = _current.get()
    if journal is not None:
        journal.problems.append(code)
