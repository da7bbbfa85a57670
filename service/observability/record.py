"""The record of one request: how long each stage took, which images were read, what went wrong.

The middleware starts a record for each request. It travels with the request's context, into the
worker threads too. Without one, as on the command line, the functions below do nothing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Stage = Literal["upload", "queue", "decode", "lungs", "prepare", "inference"]

STAGES: Final[tuple[Stage, ...]] = (
    "upload",
    "queue",
    "decode",
    "lungs",
    "prepare",
    "inference",
)

OTHER: Final = "other"
"""Stands for every path and method that the service does not know."""

CLIENT_CLOSED_REQUEST: Final = 499
"""Status of a request whose client disconnected before the response started."""


class StageTiming(NamedTuple):
    """One stage that ended.

    Attributes:
        stage: Its name.
        start_s: When it started, by ``time.perf_counter``.
        seconds: How long it took.
    """

    stage: Stage
    start_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """What was answered about one file.

    Attributes:
        model_digest: The bundle that screened it.
        predicted_class: The class.
        assessment: ``pneumonia``, ``normal`` or ``indeterminate``.
        probability: Of pneumonia, from 0 to 1.
        warnings: Codes of the warnings.
    """

    model_digest: str
    predicted_class: str
    assessment: str
    probability: float
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class ImageRecord:
    """One file that was read.

    Attributes:
        sha256: Hexadecimal digest of its bytes.
        size: Number of its bytes.
        verdict: None if it could not be screened.
        problem: Code of the reason why not, if there was one.
        reason: Why it is not a frontal chest film, if that is the problem.
    """

    sha256: str
    size: int
    verdict: VerdictRecord | None = None
    problem: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class RequestRecord:
    """One request. It holds nothing that a client chose, except a request ID that names nobody.

    Attributes:
        request_id: The ID that may be logged; see ``service.api.middleware``.
        route: Template of the route, or ``OTHER``.
        method: HTTP method, or ``OTHER``.
        status: Status of the response.
        total_s: From the start of the request to the start of the response; None before that.
        parent: W3C ``traceparent`` of the caller, when traces are exported.
        client: Address of the client, behind the proxies that are trusted.
        key: Name of the client's API key, never the key.
        stages: Stages that ended; a batch has several of each.
        images: Files that were read.
        problems: Codes of the problems in the response.
        start_s: When the request started, by ``time.perf_counter``.
        start_ns: The same moment, by ``time.time_ns``.
    """

    request_id: str
    route: str = OTHER
    method: str = OTHER
    status: int = CLIENT_CLOSED_REQUEST
    total_s: float | None = None
    parent: str | None = None
    client: str | None = None
    key: str | None = None
    stages: list[StageTiming] = field(default_factory=list)
    images: list[ImageRecord] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    start_s: float = field(default_factory=time.perf_counter)
    start_ns: int = field(default_factory=time.time_ns)

    def add_stage(self, stage: Stage, start_s: float) -> None:
        """Add a stage that started at ``start_s`` and ends now."""
        self.stages.append(StageTiming(stage, start_s, time.perf_counter() - start_s))

    def response_started(self, status: int) -> None:
        """Set status and total time; only the first call counts."""
        if self.total_s is None:
            self.status = status
            self.total_s = time.perf_counter() - self.start_s

    def durations_ms(self) -> dict[str, float]:
        """Milliseconds by stage, in the order of ``STAGES``, and ``total``.

        The stages of a batch's images are summed.
        """
        sums: dict[str, float] = {}
        for timing in tuple(self.stages):  # abandoned work may still be adding to them
            sums[timing.stage] = sums.get(timing.stage, 0.0) + timing.seconds
        durations: dict[str, float] = {stage: sums[stage] for stage in STAGES if stage in sums}
        if self.total_s is not None:
            durations["total"] = self.total_s
        return {name: round(1000 * seconds, 1) for name, seconds in durations.items()}


_current: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


@contextmanager
def recording(record: RequestRecord) -> Iterator[None]:
    """Write what happens in this context to a record."""
    token = _current.set(record)
    try:
        yield
    finally:
        _current.reset(token)


def current_record() -> RequestRecord | None:
    """The record that this context writes to."""
    return _current.get()


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Time a stage of the current request, even if it raises."""
    start_s = time.perf_counter()
    try:
        yield
    finally:
        note_stage(name, start_s)


def note_stage(name: Stage, start_s: float) -> None:
    """Add a stage of the current request that started at ``start_s`` and ends now."""
    record = _current.get()
    if record is not None:
        record.add_stage(name, start_s)


def note_image(sha256: str, size: int) -> None:
    """Add a file that was read to the record of the current request."""
    record = _current.get()
    if record is not None:
        record.images.append(ImageRecord(sha256, size))


def note_verdict(sha256: str, verdict: VerdictRecord) -> None:
    """Add the verdict on a file that ``note_image`` added."""
    record = _current.get()
    for image in record.images if record is not None else ():
        if image.sha256 == sha256 and image.verdict is None and image.problem is None:
            image.verdict = verdict
            return


def note_refusal(sha256: str, size: int, code: str, reason: str | None = None) -> None:
    """Add why a file has no verdict; the file too, if ``note_image`` did not add it."""
    record = _current.get()
    if record is None:
        return
    for image in record.images:
        if image.sha256 == sha256 and image.verdict is None and image.problem is None:
            image.problem, image.reason = code, reason
            return
    record.images.append(ImageRecord(sha256, size, problem=code, reason=reason))


def note_key(name: str) -> None:
    """Add the name of the API key that opened the service to the current request."""
    record = _current.get()
    if record is not None:
        record.key = name


def note_problem(code: str) -> None:
    """Add the code of a problem to the record of the current request."""
    record = _current.get()
    if record is not None:
        record.problems.append(code)
