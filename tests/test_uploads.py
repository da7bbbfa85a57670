import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from service import uploads
from service.refusals import (
    ClientGoneError,
    FileTooLargeError,
    InvalidFieldError,
    MalformedMultipartError,
    MissingFileError,
    NotMultipartError,
    RefusalError,
    SeveralFilesError,
    TooManyFilesError,
    UploadsFullError,
    UploadTooSlowError,
)
from service.uploads import FormReader, UploadLimits, UploadMemory, received_files
from tests.serving import BOUNDARY, FORM_TYPE, form, part

pytestmark = pytest.mark.anyio

FILE = frozenset({b"file"})
LIMITS = UploadLimits(files=1, file_bytes=1000, total_bytes=1000, seconds=30, bytes_per_second=1024)
THREE = UploadLimits(files=3, file_bytes=1000, total_bytes=2500, seconds=30, bytes_per_second=1024)


def read(body: bytes, limits: UploadLimits = LIMITS, piece: int = 10_000) -> list[bytes]:
    reader = FormReader(BOUNDARY, FILE, limits)
    for start in range(0, len(body), piece):
        reader.feed(body[start : start + piece])
    return reader.finish().files


class TestFormReader:
    def test_the_file_comes_out_as_it_was_sent(self) -> None:
        content = bytes(range(256)) * 3 + b"\r\n--" + BOUNDARY[:-1] + b"\r\n"
        assert read(form(part(content))) == [content]

    @given(st.binary(max_size=400), st.integers(1, 50))
    def test_any_content_in_any_pieces_comes_out_as_it_was_sent(
        self, content: bytes, piece: int
    ) -> None:
        body = form(part(content))
        if body.count(b"\r\n--" + BOUNDARY) == 1:
            assert read(body, piece=piece) == [content]

    def test_several_files_come_in_the_order_of_the_upload(self) -> None:
        contents = [b"one", b"", b"three"]
        assert read(form(*map(part, contents)), THREE) == contents

    def test_other_fields_are_read_over(self) -> None:
        body = form(part(b"ward 3", "note", None), part(b"image"), part(b"x", "second"))
        assert read(body) == [b"image"]

    def test_text_in_the_field_of_the_file_is_no_file(self) -> None:
        with pytest.raises(MissingFileError):
            read(form(part(b"x.png", filename=None)))

    def test_a_file_whose_name_comes_in_the_extended_form_is_a_file(self) -> None:
        head = b"Content-Disposition: form-data; name=\"file\"; filename*=utf-8''Jos%C3%A9.png"
        assert read(form(b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\nimage\r\n")) == [b"image"]

    def test_a_file_may_have_an_empty_name(self) -> None:
        assert read(form(part(b"image", filename=""))) == [b"image"]

    @pytest.mark.parametrize(
        "name", ['a";x="b.png', "C:\\x\\p.png", "José.png", "../../p.png", "x" * 3000]
    )
    def test_a_strange_file_name_does_no_harm(self, name: str) -> None:
        assert read(form(part(b"image", filename=name))) == [b"image"]

    def test_a_form_without_the_field_is_refused(self) -> None:
        with pytest.raises(MissingFileError) as refusal:
            read(form(part(b"image", "picture")))
        assert "'file'" in refusal.value.message

    def test_a_second_file_is_refused_before_it_is_read(self) -> None:
        reader = FormReader(BOUNDARY, FILE, LIMITS)
        with pytest.raises(SeveralFilesError):
            reader.feed(part(b"one") + part(b"tw"))

    def test_one_file_more_than_a_batch_may_have_is_refused(self) -> None:
        with pytest.raises(TooManyFilesError):
            read(form(*[part(b"x")] * 4), THREE)

    def test_a_file_of_exactly_the_limit_is_taken(self) -> None:
        assert read(form(part(b"x" * 1000))) == [b"x" * 1000]

    def test_a_file_of_one_byte_more_is_refused(self) -> None:
        with pytest.raises(FileTooLargeError):
            read(form(part(b"x" * 1001)))

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"not a form",
            b"--" + BOUNDARY + b"--\r\n" + b"trailing",
            b"--other\r\n\r\n\r\n--other--\r\n",
            form(part(b"image"))[: -2 - len(BOUNDARY) - 6],
            b"--" + BOUNDARY + b"\r\n\r\nno headers\r\n--" + BOUNDARY + b"--\r\n",
            b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data\r\n\r\nx\r\n--" + BOUNDARY,
            b"--" + BOUNDARY + b'\r\nContent-Disposition: attachment; name="file"\r\n\r\nx\r\n',
            b"--" + BOUNDARY + b"\r\n" + b"X-Long: " + b"y" * 10_000 + b"\r\n\r\n",
            b"--" + BOUNDARY + b"\r\n" + b"X-Many: y\r\n" * 100 + b"\r\n\r\n",
            b"--" + BOUNDARY + b"\r\nno colon\r\n\r\nx\r\n--" + BOUNDARY + b"--\r\n",
        ],
    )
    def test_what_is_no_complete_form_is_refused(self, body: bytes) -> None:
        with pytest.raises((MalformedMultipartError, MissingFileError)):
            read(body)

    def test_a_form_that_breaks_off_is_refused(self) -> None:
        with pytest.raises(MalformedMultipartError):
            read(form(part(b"image"))[:-4])

    def test_a_thousand_fields_are_refused(self) -> None:
        with pytest.raises(MalformedMultipartError):
            read(form(*[part(b"", f"f{number}", None) for number in range(1001)]))

    def test_an_absurd_boundary_is_refused(self) -> None:
        with pytest.raises(MalformedMultipartError):
            FormReader(b"b" * 5000, FILE, LIMITS)

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read_or_refused(self, noise: bytes) -> None:
        for body in (noise, form(part(b"image")) + noise, part(b"image") + noise, form(noise)):
            with suppress(RefusalError):
                assert all(isinstance(file, bytes) for file in read(body))


class Upload:
    """A request whose body comes in the given pieces."""

    def __init__(
        self,
        *pieces: bytes,
        content_type: str | None = FORM_TYPE,
        length: str | None = None,
        leaves: bool = False,
        pause_s: float = 0.0,
    ) -> None:
        self._pieces = list(pieces)
        self._leaves = leaves
        self._pause_s = pause_s
        self.read = 0
        headers = [(b"content-type", content_type.encode())] if content_type else []
        headers += [(b"content-length", length.encode())] if length else []
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
    async with received_files(upload.request, FILE, limits, memory or UploadMemory(10**9)) as files:
        return list(files)


class TestReceivedFiles:
    async def test_a_body_in_pieces_is_put_together(self) -> None:
        body = form(part(b"image"))
        assert await files_of(Upload(*(bytes([byte]) for byte in body))) == [b"image"]

    @pytest.mark.parametrize(
        "content_type",
        [None, "", "image/png", "application/json", "multipart/mixed; boundary=x", "multipart"],
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
            files=1, file_bytes=10**6, total_bytes=10**6, seconds=0.05, bytes_per_second=1
        )
        with pytest.raises(UploadTooSlowError):
            await files_of(Upload(part(b"x"), *[b"x"] * 1000, pause_s=0.01), limits)

    async def test_an_upload_that_trickles_is_given_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(uploads, "START_SECONDS", 0.05)
        with pytest.raises(UploadTooSlowError):
            await files_of(Upload(*[b"\r"] * 1000, pause_s=0.01))

    async def test_an_upload_that_is_fast_enough_is_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(uploads, "START_SECONDS", 0.5)
        limits = UploadLimits(
            files=1, file_bytes=1000, total_bytes=1000, seconds=30, bytes_per_second=10
        )
        body = form(part(b"x" * 900))
        pieces: Sequence[bytes] = [body[start : start + 100] for start in range(0, len(body), 100)]
        assert await files_of(Upload(*pieces, pause_s=0.08), limits) == [b"x" * 900]


class TestTexts:
    def read(self, *parts: bytes, piece: int = 10_000) -> dict[bytes, str]:
        reader = FormReader(BOUNDARY, FILE, LIMITS, {b"note": 5, b"reference": 3})
        body = form(part(b"image"), *parts)
        for start in range(0, len(body), piece):
            reader.feed(body[start : start + piece])
        upload = reader.finish()
        assert upload.files == [b"image"]
        return upload.texts

    @pytest.mark.parametrize("piece", [1, 7, 10_000])
    def test_those_asked_for_come_out_as_they_were_sent(self, piece: int) -> None:
        note, other = part("ñandú".encode(), "note", None), part(b"x", "other", None)
        assert self.read(note, other, piece=piece) == {b"note": "ñandú"}

    def test_none_is_asked_for_by_default(self) -> None:
        assert read(form(part(b"image"), part(b"x" * 900, "note", None))) == [b"image"]

    @pytest.mark.parametrize("text", ["123456", "🩻" * 6, "x" * 50_000])
    def test_one_that_is_too_long_is_refused_without_being_repeated(self, text: str) -> None:
        with pytest.raises(
            InvalidFieldError, match=r"'note' is longer than the 5 characters"
        ) as no:
            self.read(part(text.encode(), "note", None))
        assert text not in no.value.message

    def test_one_that_is_not_utf8_is_refused(self) -> None:
        with pytest.raises(InvalidFieldError, match="UTF-8"):
            self.read(part(b"\xff", "note", None))

    def test_one_that_is_sent_twice_is_refused(self) -> None:
        with pytest.raises(InvalidFieldError, match="more than once"):
            self.read(part(b"a", "note", None), part(b"b", "note", None))

    def test_a_file_of_that_name_is_no_text(self) -> None:
        assert self.read(part(b"a", "note")) == {}

    def test_what_was_typed_does_not_show_when_an_upload_is_printed(self) -> None:
        assert "Jane" not in repr(uploads.Upload([b"Jane"], {b"note": "Jane"}))


class TestUploadMemory:
    async def test_it_is_taken_while_the_files_are_in_use_and_given_back(self) -> None:
        memory = UploadMemory(10_000)
        body = form(part(b"image"))
        async with received_files(Upload(body).request, FILE, LIMITS, memory):
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
        with pytest.raises(RefusalError):
            await files_of(upload, memory=memory)
        assert memory.held == 0

    async def test_an_upload_that_does_not_fit_beside_others_is_refused(self) -> None:
        memory = UploadMemory(700)
        body = form(part(b"x" * 300))
        async with received_files(Upload(body).request, FILE, LIMITS, memory):
            with pytest.raises(UploadsFullError) as refusal:
                await files_of(Upload(body), memory=memory)
            assert refusal.value.retry_after_s is not None
        assert await files_of(Upload(body), memory=memory) == [b"x" * 300]
