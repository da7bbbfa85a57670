"""Reads multipart/related, as DICOMweb sends it (PS3.18 8.6.1, RFC 2387)."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header


class MultipartError(Exception):
    """The bytes are not multipart/related, or a part is too large."""

    def __init__(self, *, too_large: bool = False) -> None:
        super().__init__("a part is too large" if too_large else "this is not multipart/related")
        self.too_large = too_large


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names.

    Raises:
        MultipartError: It is not multipart/related, or names none.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind.lower() != b"multipart/related" or not 0 < len(boundary) <= 200:
        raise MultipartError
    return boundary


class Parts:
    """Takes the bytes of a body as they come, and gives its parts as they are complete.

    Args:
        boundary: Of the body.
        max_bytes: Largest part.
    """

    def __init__(self, boundary: bytes, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._part = bytearray()
        self._complete: list[bytes] = []
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": self._add,
                "on_part_end": self._finish,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take more of the body; the parts that are complete by it.

        Raises:
            MultipartError: The body is malformed, or a part is too large.
        """
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise MultipartError from None
        complete, self._complete = self._complete, []
        return complete

    def close(self) -> None:
        """The body has ended.

        Raises:
            MultipartError: It breaks off.
        """
        if not self._ended:
            raise MultipartError

    def _begin(self) -> None:
        self._part = bytearray()

    def _add(self, data: bytes, start: int, end: int) -> None:
        self._part += data[start:end]
        if len(self._part) > self._max_bytes:
            raise MultipartError(too_large=True)

    def _finish(self) -> None:
        self._complete.append(bytes(self._part))
        self._part = bytearray()

    def _end(self) -> None:
        self._ended = True
