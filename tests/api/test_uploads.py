import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request

from service.api.uploads import UploadLimits, UploadMemory, receive_upload
from service.errors import (
    ClientGoneError,
    FileTooLargeError,
    MalformedMultipartError,
    NotMultipartError,
    ServiceError,
    UploadsFullError,
    UploadTooSlowError,
)
from tests.serving import FORM_TYPE, form, part

pytestmark = pytest.mark.anyio

FILE = frozenset({b"file"})
LIMITS = UploadLimits(files=1, file_bytes=1000, total_bytes=1000, seconds=30, bytes_per_second=1024)
THREE = UploadLimits(files=3, file_bytes=1000, total_bytes=2500, seconds=30, bytes_per_second=1024)


class Upload:
    """A request whose body comes in the given pieces."""

    def __init__(
        self,
        *pieces: bytes,
        content_type: str | None = FORM_TYPE,
        length: str | None = None,
        encoding: str | None = None,
        leaves: bool = False,
        pause_s: float = 0.0,
    ) -> None:
        self._pieces = list(pieces)
        self._leaves = leaves
        self._pause_s = pause_s
        self.read = 0
        headers = [(b"content-type", content_type.encode())] if content_type else []
        headers += [(b"content-length", length.encode())] if length else []
        headers += [(b"content-encoding", encoding.encode())] if encoding else []
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        self.request = Request(scope, self._receive)

    async def _receive(self) -> dict[str, Any]:
        await asyncio.sleep(self._pause_s)
        if self._leaves and not self._pieces:
            return {"type": "http.disconnect"}
        self.read += 1
        piece = self._pieces.pop(0) if self._pieces else b""
        return {
            "type": "http.request",
            "body": piece,
            "more_body": bool(self._pieces) or self._leaves,
        }


async def files_of(
    upload: Upload, limits: UploadLimits = LIMITS, memory: UploadMemory | None = None
) -> list[bytes]:
    async with receive_upload(
        upload.request, FILE, limits, memory or UploadMemory(10**9)
    ) as received:
        return received.files


class TestReceivedForm:
    async def test_a_body_in_pieces_is_put_together(self) -> None:
        body = form(part(b"image"))
        assert await files_of(Upload(*(bytes([byte]) for byte in body))) == [b"image"]

    @pytest.mark.parametrize(
        "content_type",
        [None, "", "text/plain", "application/json", "multipart/mixed; boundary=x", "multipart"],
    )
    async def test_what_is_no_form_upload_is_refused_unread(self, content_type: str | None) -> None:
        upload = Upload(b"x", content_type=content_type)
        with pytest.raises(NotMultipartError):
            await files_of(upload)
        assert upload.read == 0

    async def test_a_form_without_a_boundary_is_refused(self) -> None:
        with pytest.raises(MalformedMultipartError):
            await files_of(Upload(b"x", content_type="multipart/form-data"))

    async def test_a_declared_length_over_the_limit_is_refused_unread(self) -> None:
        upload = Upload(b"x", length=str(LIMITS.body_bytes + 1))
        with pytest.raises(FileTooLargeError):
            await files_of(upload)
        assert upload.read == 0

    @pytest.mark.parametrize("length", ["-5", "3", "zebra", "9" * 5000, "²"])
    async def test_a_false_declared_length_is_not_relied_upon(self, length: str) -> None:
        assert await files_of(Upload(form(part(b"image")), length=length)) == [b"image"]

    async def test_a_body_without_end_is_refused_at_the_limit(self) -> None:
        pieces = [form(part(b"image")), *[b"x" * 1000] * 1000]
        upload = Upload(*pieces)
        with pytest.raises(FileTooLargeError):
            await files_of(upload)
        assert upload.read < 100

    async def test_files_that_are_too_much_together_are_refused(self) -> None:
        limits = UploadLimits(
            files=3, file_bytes=10**6, total_bytes=10**5, seconds=30, bytes_per_second=1
        )
        with pytest.raises(FileTooLargeError):
            await files_of(Upload(part(b"x" * 90_000), part(b"x" * 90_000)), limits)

    async def test_a_client_that_leaves_is_noticed(self) -> None:
        with pytest.raises(ClientGoneError):
            await files_of(Upload(part(b"image")[:20], leaves=True))

    async def test_an_upload_that_takes_too_long_in_all_is_given_up(self) -> None:
        limits = UploadLimits(
            files=1, file_bytes=10**6, total_bytes=10**6, seconds=0.05, bytes_per_second=10**6
        )
        with pytest.raises(UploadTooSlowError):
            await files_of(Upload(part(b"x"), *[b"x"] * 1000, pause_s=0.01), limits)

    async def test_an_upload_that_trickles_is_given_up(self) -> None:
        limits = UploadLimits(
            files=1, file_bytes=1000, total_bytes=1000, seconds=0.05, bytes_per_second=1024
        )
        with pytest.raises(UploadTooSlowError):
            await files_of(Upload(*[b"\r"] * 1000, pause_s=0.01), limits)

    async def test_a_large_upload_that_is_fast_enough_is_waited_for(self) -> None:
        limits = UploadLimits(
            files=1, file_bytes=1000, total_bytes=1000, seconds=0.5, bytes_per_second=10
        )
        body = form(part(b"x" * 900))
        pieces: Sequence[bytes] = [body[start : start + 100] for start in range(0, len(body), 100)]
        assert await files_of(Upload(*pieces, pause_s=0.08), limits) == [b"x" * 900]

    @pytest.mark.parametrize("content_type", ["image/jpeg", "image/png; x=y", "application/dicom"])
    async def test_a_body_may_be_the_file_itself(self, content_type: str) -> None:
        upload = Upload(b"im", b"age", content_type=content_type)
        assert await files_of(upload) == [b"image"]

    async def test_a_body_that_is_a_file_has_the_limit_of_one(self) -> None:
        with pytest.raises(FileTooLargeError):
            await files_of(Upload(b"x" * 1001, content_type="image/png"))

    async def test_a_compressed_body_is_refused_with_the_reason(self) -> None:
        upload = Upload(form(part(b"image")), encoding="gzip")
        with pytest.raises(MalformedMultipartError, match="compressed"):
            await files_of(upload)
        assert upload.read == 0


class TestUploadMemory:
    async def test_it_is_taken_while_the_files_are_in_use_and_given_back(self) -> None:
        memory = UploadMemory(10_000)
        body = form(part(b"image"))
        async with receive_upload(Upload(body).request, FILE, LIMITS, memory):
            assert memory.held == len(body)
        assert memory.held == 0

    @pytest.mark.parametrize(
        "upload",
        [
            Upload(b"nonsense"),
            Upload(part(b"x"), leaves=True),
            Upload(part(b"x" * 2000)),
        ],
    )
    async def test_it_is_given_back_when_the_upload_is_refused(self, upload: Upload) -> None:
        memory = UploadMemory(10_000)
        with pytest.raises(ServiceError):
            await files_of(upload, memory=memory)
        assert memory.held == 0

    async def test_an_upload_that_does_not_fit_beside_others_is_refused(self) -> None:
        memory = UploadMemory(700)
        body = form(part(b"x" * 300))
        async with receive_upload(Upload(body).request, FILE, LIMITS, memory):
            with pytest.raises(UploadsFullError) as refusal:
                await files_of(Upload(body), memory=memory)
            assert refusal.value.retry_after_s is not None
        assert await files_of(Upload(body), memory=memory) == [b"x" * 300]
