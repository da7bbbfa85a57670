import gc
import gzip
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.form import FormReader, Upload
from service.errors import (
    FileTooLargeError,
    InvalidFieldError,
    MalformedMultipartError,
    MissingFileError,
    ServiceError,
    SeveralFilesError,
    TooManyFilesError,
)
from service.i18n import texts
from tests.serving import BOUNDARY, form, part

FILE = frozenset({b"file"})


def read(body: bytes, *, files: int = 1, piece: int = 10_000) -> list[bytes]:
    reader = FormReader(BOUNDARY, FILE, files=files, file_bytes=1000)
    for start in range(0, len(body), piece):
        reader.feed(body[start : start + piece])
    return reader.finish().files


@contextmanager
def no_search_for_garbage() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class TestFormReader:
    @pytest.mark.parametrize("body", [form(part(b"image")), form(part(bytes(2000))), b"nothing"])
    def test_no_upload_stays_in_memory_until_garbage_is_searched_for(self, body: bytes) -> None:
        with no_search_for_garbage():
            with suppress(ServiceError):
                read(body)
            assert gc.collect() == 0

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
        assert read(form(*map(part, contents)), files=3) == contents

    def test_other_fields_are_read_over(self) -> None:
        body = form(part(b"ward 3", "note", None), part(b"image"), part(b"x", "second"))
        assert read(body) == [b"image"]

    @pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b""])
    def test_a_file_may_come_without_a_file_name(self, content: bytes) -> None:
        assert read(form(part(content, "file", None))) == [content]

    @pytest.mark.parametrize("text", [b"x.jpg", b"C:\\x-ray.png", b"data:image/png;base64,iVBORw"])
    def test_a_path_in_place_of_a_file_is_refused_with_the_reason(self, text: bytes) -> None:
        with pytest.raises(MissingFileError, match="text, not a file"):
            read(form(part(text, "file", None)))

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
        reader = FormReader(BOUNDARY, FILE, files=1, file_bytes=1000)
        with pytest.raises(SeveralFilesError):
            reader.feed(part(b"one") + part(b"tw"))

    def test_one_file_more_than_a_batch_may_have_is_refused(self) -> None:
        with pytest.raises(TooManyFilesError):
            read(form(*[part(b"x")] * 4), files=3)

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

    @pytest.mark.parametrize("piece", [1, 7, 10_000])
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (form(part(b"image")).replace(b"; name", b";\r\n name"), "folded"),
            (form(part(b"image")).replace(b"; name", b";\r\n\tname"), "folded"),
            (form(part(b"image")).replace(b"\r\n", b"\n"), "line_ends"),
            (form(part(b"image")).replace(BOUNDARY, b"another"), "boundary"),
            (b"MIME\r\n" + form(part(b"image")), "boundary"),
            (gzip.compress(form(part(b"image"))), "compressed"),
            (form(part(b"image"))[:-9], "breaks_off"),
            (b"", "breaks_off"),
        ],
    )
    def test_what_is_wrong_is_named(self, body: bytes, reason: str, piece: int) -> None:
        with pytest.raises(MalformedMultipartError) as refusal:
            read(body, piece=piece)
        assert refusal.value.text_key == reason
        assert f"malformed_multipart.{reason}" in texts("es")["problems"]

    def test_a_thousand_fields_are_refused(self) -> None:
        with pytest.raises(MalformedMultipartError):
            read(form(*[part(b"", f"f{number}", None) for number in range(1001)]))

    def test_an_absurd_boundary_is_refused(self) -> None:
        with pytest.raises(MalformedMultipartError):
            FormReader(b"b" * 5000, FILE, files=1, file_bytes=1000)

    @given(st.binary(max_size=300))
    def test_any_bytes_are_read_or_refused(self, noise: bytes) -> None:
        for body in (noise, form(part(b"image")) + noise, part(b"image") + noise, form(noise)):
            with suppress(ServiceError):
                assert all(isinstance(file, bytes) for file in read(body))


class TestTexts:
    def read(self, *parts: bytes, piece: int = 10_000) -> dict[bytes, str]:
        reader = FormReader(
            BOUNDARY, FILE, files=1, file_bytes=1000, texts={b"note": 5, b"reference": 3}
        )
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

    def in_charset(self, content: bytes, charset: str) -> bytes:
        head = f'Content-Disposition: form-data; name="note"\r\nContent-Type: {charset}\r\n\r\n'
        return b"--" + BOUNDARY + b"\r\n" + head.encode() + content + b"\r\n"

    @pytest.mark.parametrize(
        "charset", ["ISO-8859-1", "windows-1252", "utf-16", '"utf-8"', "cp850"]
    )
    def test_each_is_read_in_its_own_charset(self, charset: str) -> None:
        content = "ñandú".encode(charset.strip('"'))
        sent = self.in_charset(content, f"text/plain; charset={charset}")
        assert self.read(sent) == {b"note": "ñandú"}

    def test_without_a_charset_it_is_utf8(self) -> None:
        sent = self.in_charset("ñandú".encode(), "text/plain")
        assert self.read(sent, part(b"a", "reference", None)) == {
            b"note": "ñandú",
            b"reference": "a",
        }

    @pytest.mark.parametrize("charset", ["klingon", "hex", "rot13", "unicode_escape", "\xff"])
    def test_what_is_no_charset_of_texts_is_refused(self, charset: str) -> None:
        with pytest.raises(InvalidFieldError, match="charset that is not read"):
            self.read(self.in_charset(b"6162", f"text/plain; charset={charset}"))

    def test_what_its_charset_does_not_know_is_refused(self) -> None:
        with pytest.raises(InvalidFieldError, match="not text in the charset"):
            self.read(self.in_charset(b"\xff", "text/plain; charset=us-ascii"))

    def test_one_that_is_sent_twice_is_refused(self) -> None:
        with pytest.raises(InvalidFieldError, match="more than once"):
            self.read(part(b"a", "note", None), part(b"b", "note", None))

    def test_a_file_of_that_name_is_no_text(self) -> None:
        assert self.read(part(b"a", "note")) == {}

    def test_what_was_typed_does_not_show_when_an_upload_is_printed(self) -> None:
        assert "Jane" not in repr(Upload([b"Jane"], {b"note": "Jane"}))
