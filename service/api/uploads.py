"""Receives uploads within limits on size, time, speed and the memory of all of them together.

A client's Content-Length may lead to an early refusal but is never relied upon.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from service.api.form import NO_TEXTS, FormReader, RawReader, Upload
from service.api.malformed import boundary_of, compressed, is_raw_image
from service.errors import (
    ClientGoneError,
    FileTooLargeError,
    UploadsFullError,
    UploadTooSlowError,
)
from service.settings import MIB

MAX_BATCH_FILES = 32

ENVELOPE_BYTES = 64 * 1024
"""What boundaries, part headers and other fields may add to the files."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much, and how slowly, a client may send.

    Attributes:
        files: Most files.
        file_bytes: Most bytes of one file.
        total_bytes: Most bytes of all files together.
        seconds: How long an upload may take beside the time for its bytes.
        bytes_per_second: Slowest speed at which its bytes are accepted.
    """

    files: int
    file_bytes: int
    total_bytes: int
    seconds: float
    bytes_per_second: int

    @property
    def body_bytes(self) -> int:
        """Most bytes of the request's body."""
        return self.total_bytes + ENVELOPE_BYTES


class UploadMemory:
    """Bytes that all uploads in flight may hold together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, amount: int) -> None:
        """Count bytes in.

        Raises:
            UploadsFullError: They would exceed the limit; nothing is counted.
        """
        if self.held + amount > self._limit:
            raise UploadsFullError(
                "The service is receiving too many large files at once. "
                "Please send this one again shortly."
            )
        self.held += amount

    def give_back(self, amount: int) -> None:
        """Count bytes out."""
        self.held -= amount


@asynccontextmanager
async def receive_upload(
    request: Request,
    names: frozenset[bytes],
    limits: UploadLimits,
    memory: UploadMemory,
    texts: Mapping[bytes, int] = NO_TEXTS,
) -> AsyncIterator[Upload]:
    """Receive a whole upload; it counts against the memory limit until the context ends.

    Args:
        request: Its headers are read, and its body.
        names: Field names under which files are accepted.
        limits: What the client may send.
        memory: Where the upload counts.
        texts: Names of the text fields that are accepted, with the most characters of each.

    Raises:
        ServiceError: On entering: the upload is refused, and nothing of it is kept.
    """
    reader = _reader_for(request, names, limits, texts)
    if _declared_bytes(request) > limits.body_bytes:
        raise _body_too_large(limits)
    start_s = asyncio.get_running_loop().time()
    received, more = 0, True
    try:
        while more:
            allowed_s = limits.seconds + received / limits.bytes_per_second
            chunk, more = await _next_chunk(request, start_s + allowed_s)
            memory.take(len(chunk))
            received += len(chunk)
            if received > limits.body_bytes:
                raise _body_too_large(limits)
            reader.feed(chunk)
        yield reader.finish()
    finally:
        memory.give_back(received)


def _reader_for(
    request: Request, names: frozenset[bytes], limits: UploadLimits, texts: Mapping[bytes, int]
) -> FormReader | RawReader:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise compressed()
    content_type = request.headers.get("content-type")
    if is_raw_image(content_type):
        return RawReader(limits.file_bytes)
    return FormReader(
        boundary_of(content_type),
        names,
        files=limits.files,
        file_bytes=limits.file_bytes,
        texts=texts,
    )


async def _next_chunk(request: Request, deadline_s: float) -> tuple[bytes, bool]:
    """The body's next piece, waited for until a time of the loop, and whether there are more."""
    try:
        async with asyncio.timeout_at(deadline_s):
            message = await request.receive()
    except TimeoutError:
        raise UploadTooSlowError(
            "The upload was too slow and was stopped. Please check the connection and send the "
            "file again."
        ) from None
    if message["type"] == "http.disconnect":
        raise ClientGoneError("The connection was closed before the upload was complete.")
    return message.get("body", b""), message.get("more_body", False)


def _declared_bytes(request: Request) -> int:
    """What Content-Length says; 0 when it says nothing that is a number."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else 0


def _body_too_large(limits: UploadLimits) -> FileTooLargeError:
    return FileTooLargeError(
        f"The upload is larger than the {limits.total_bytes // MIB} MiB that are accepted."
    )
