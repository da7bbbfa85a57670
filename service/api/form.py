"""Reads a multipart/form-data body piece by piece, as it arrives.

Everything is counted and kept in memory, so that no patient's image ever lies in a temporary file.
File names are not kept: they tend to hold patients' names.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from python_multipart.exceptions import FormParserError, ParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.api.malformed import cause_of, malformed
from service.errors import (
    FileTooLargeError,
    InvalidFieldError,
    MalformedMultipartError,
    MissingFileError,
    SeveralFilesError,
    TooManyFilesError,
)
from service.settings import MIB

MAX_PARTS_BESIDE_FILES = 16
LONGEST_TEXT: Final = 4096
"""Bytes of a text that may stand in the field of the file by mistake: a path, at most."""
_CHARSET: Final = re.compile(
    r"utf-?8|utf-?16(?:[bl]e)?|us-ascii|iso-?8859-\d+|latin-?\d|(?:windows-|cp)\d+|mac-?roman|"
    r"koi8-[rtu]|shift_jis|euc[-_](?:jp|kr)|iso-2022-jp|gbk?|gb2312|gb18030|big5",
    re.IGNORECASE,
)
"""Those of texts that people write: Python decodes other things by such names as well."""
NO_TEXTS: Final[Mapping[bytes, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form held.

    Attributes:
        files: The files, in the order in which they were sent.
        texts: The text fields that were asked for and sent, by name. They may name a patient:
            nothing may log or keep them.
    """

    files: list[bytes] = field(repr=False)
    texts: dict[bytes, str] = field(repr=False)


class FormReader:
    """Collects the files of one form from the pieces in which its body arrives.

    Args:
        boundary: From the Content-Type header.
        names: Field names under which files are taken; others are read over.
        files: Most files.
        file_bytes: Most bytes of one file.
        texts: Names of the text fields that are taken, with the most characters of each.

    Raises:
        ServiceError: From ``feed`` and ``finish``, one class for each thing that can be wrong.
    """

    def __init__(
        self,
        boundary: bytes,
        names: frozenset[bytes],
        *,
        files: int,
        file_bytes: int,
        texts: Mapping[bytes, int] = NO_TEXTS,
    ) -> None:
        # The parser holds the parts, and they know nothing of it: in a circle the file of every
        # request would stay in memory until Python next searches for garbage.
        self._parts = parts = _Parts(names, files, file_bytes, texts)
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": parts.on_part_begin,
                    "on_header_field": parts.on_header_field,
                    "on_header_value": parts.on_header_value,
                    "on_header_end": parts.on_header_end,
                    "on_headers_finished": parts.on_headers_finished,
                    "on_part_data": parts.on_part_data,
                    "on_end": parts.on_end,
                },
            )
        except FormParserError:
            raise malformed() from None
        self._start = b""

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body, of any size."""
        self._start = self._start or chunk[:1]
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            at = error.offset if isinstance(error, ParseError) else 0
            raise cause_of(self._start, chunk, at, begun=self._parts.begun) from None

    def finish(self) -> Upload:
        """Say that the body has ended; returns what it held."""
        return self._parts.together()


class _Parts:
    """The parts of one form, put together from what the parser calls; see ``FormReader``."""

    def __init__(
        self, names: frozenset[bytes], files: int, file_bytes: int, texts: Mapping[bytes, int]
    ) -> None:
        self._names = names
        self._most_files = files
        self._file_bytes = file_bytes
        self._longest = texts
        self._texts: dict[bytes, bytearray] = {}
        self._charsets: dict[bytes, str] = {}
        self._text = b""  # name of the part being read, when it is a text that is taken
        self._files: list[io.BytesIO] = []
        self._nameless: list[io.BytesIO] = []  # those of the files that have no file name
        self._file: io.BytesIO | None = None  # the part being read, when it is a file
        self._others = 0
        self.begun = False
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._type = b""
        self._complete = False

    def together(self) -> Upload:
        """What a body that has ended held."""
        if not self._complete:
            raise MalformedMultipartError(
                "The upload breaks off before its end. Please send the file again.",
                reason="breaks_off",
            )
        if not self._files:
            names = " or ".join(f"'{name.decode()}'" for name in sorted(self._names))
            raise MissingFileError(f"The upload has no file in a field named {names}.")
        if any(_is_text(file.getvalue()) for file in self._nameless):
            raise MissingFileError(
                "The field of the file holds text, not a file. With curl, put @ before the path; "
                "decode a data: URL before sending it.",
                reason="text",
            )
        texts = {name: self._decoded(name, bytes(text)) for name, text in self._texts.items()}
        return Upload([file.getvalue() for file in self._files], texts)

    def _decoded(self, name: bytes, text: bytes) -> str:
        charset = self._charsets[name]
        if not _CHARSET.fullmatch(charset):
            raise InvalidFieldError(
                f"The field '{name.decode()}' is in a charset that is not read. Send it in UTF-8."
            )
        try:
            # Browsers send each line break as two characters, and count it as one when it is typed.
            decoded = text.decode(charset).replace("\r\n", "\n")
        except (LookupError, UnicodeDecodeError):
            raise InvalidFieldError(
                f"The field '{name.decode()}' is not text in the charset that it declares, "
                "or in UTF-8 if it declares none."
            ) from None
        if len(decoded) > self._longest[name]:
            raise self._too_long(name)
        return decoded

    def _too_long(self, name: bytes) -> InvalidFieldError:
        return InvalidFieldError(
            f"The field '{name.decode()}' is longer than the {self._longest[name]} characters "
            "that it may have."
        )

    def on_part_begin(self) -> None:
        self.begun = True
        self._file = None
        self._text = b""
        self._disposition = self._type = b""
        self._header = (bytearray(), bytearray())

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        elif name.lower() == b"content-type":
            self._type = bytes(value)
        self._header = (bytearray(), bytearray())

    def on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise malformed()
        # Older clients send a name that is not ASCII only in the form that the parser ignores.
        has_filename = b"filename" in options or b"filename*=" in self._disposition.lower()
        if not has_filename and options[b"name"] in self._longest:
            self._begin_text(options[b"name"])
            return
        # Several clients send files without a file name.
        if options[b"name"] not in self._names:
            self._others += 1
            if self._others > MAX_PARTS_BESIDE_FILES:
                raise MalformedMultipartError("The upload has too many fields beside the file.")
            return
        if len(self._files) == self._most_files:
            raise _one_file_too_many(self._most_files)
        self._file = io.BytesIO()
        self._files.append(self._file)
        if not has_filename:
            self._nameless.append(self._file)

    def _begin_text(self, name: bytes) -> None:
        if name in self._texts:
            raise InvalidFieldError(f"The field '{name.decode()}' was sent more than once.")
        self._texts[name] = bytearray()
        _, options = parse_options_header(self._type)
        self._charsets[name] = options.get(b"charset", b"utf-8").decode("ascii", "replace")
        self._text = name

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._text:
            text = self._texts[self._text]
            text += memoryview(data)[start:end]
            if len(text) > 4 * self._longest[self._text]:  # UTF-8 takes at most 4 bytes for each
                raise self._too_long(self._text)
        if self._file is None:
            return
        if self._file.tell() + end - start > self._file_bytes:
            raise _file_too_large(self._file_bytes)
        self._file.write(memoryview(data)[start:end])

    def on_end(self) -> None:
        self._complete = True


class RawReader:
    """Collects a body that is the file itself.

    Args:
        file_bytes: Most bytes of the file.

    Raises:
        FileTooLargeError: From ``feed``.
    """

    def __init__(self, file_bytes: int) -> None:
        self._file = io.BytesIO()
        self._file_bytes = file_bytes

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body."""
        if self._file.tell() + len(chunk) > self._file_bytes:
            raise _file_too_large(self._file_bytes)
        self._file.write(chunk)

    def finish(self) -> Upload:
        """Return the file."""
        return Upload([self._file.getvalue()], {})


def _is_text(content: bytes) -> bool:
    """Whether a part without a file name is a path or a data: URL instead of a picture."""
    if content.startswith(b"data:"):
        return True
    try:
        return len(content) <= LONGEST_TEXT and content.decode().isprintable() and content != b""
    except UnicodeDecodeError:
        return False


def _file_too_large(limit: int) -> FileTooLargeError:
    return FileTooLargeError(
        f"The file is larger than the {limit // MIB} MiB that one radiograph may have."
    )


def _one_file_too_many(limit: int) -> SeveralFilesError | TooManyFilesError:
    if limit == 1:
        return SeveralFilesError(
            "The upload has several files, and a verdict is about one. "
            "Send them one by one or to /predict/batch."
        )
    return TooManyFilesError(f"A batch may have at most {limit} files. Please send it in parts.")
