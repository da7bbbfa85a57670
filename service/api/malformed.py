"""What is wrong with an upload that is no well-formed form, and how it announces itself."""

from typing import Final

from python_multipart.multipart import parse_options_header

from service.errors import MalformedMultipartError, NotMultipartError

_GZIP: Final = b"\x1f"


def is_raw_image(content_type: str | None) -> bool:
    """Whether a Content-Type header announces the file itself."""
    kind, _ = parse_options_header(content_type)
    return kind.startswith(b"image/") or kind == b"application/dicom"


def boundary_of(content_type: str | None) -> bytes:
    """The boundary that a Content-Type header names.

    Raises:
        NotMultipartError: It names another type.
        MalformedMultipartError: It names no boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise NotMultipartError(
            "The radiograph must be sent as a form upload (multipart/form-data), or as the body "
            "itself with its own type (such as image/jpeg); /docs shows how."
        )
    if not options.get(b"boundary"):
        raise MalformedMultipartError(
            "The Content-Type names no boundary. Please let the HTTP client set this header "
            "itself.",
            reason="no_boundary",
        )
    return options[b"boundary"]


def cause_of(start: bytes, chunk: bytes, at: int, *, begun: bool) -> MalformedMultipartError:
    """The answer to a body that the parser stops at.

    Args:
        start: The body's first byte.
        chunk: The piece that the parser was reading.
        at: Where in it the parser stopped.
        begun: Whether it had found a part.
    """
    if start.startswith(_GZIP):
        return compressed()
    found, before = chunk[at : at + 1], chunk[:at][-1:]
    if found == b"\n" and before != b"\r":
        return MalformedMultipartError(
            "The lines of the upload end in LF alone; in a form they end in CR and LF.",
            reason="line_ends",
        )
    if not begun:
        return MalformedMultipartError(
            "The upload does not begin with the boundary that its Content-Type names. "
            "Please let the HTTP client set this header itself.",
            reason="boundary",
        )
    if found in {b" ", b"\t"} and before in {b"\n", b""}:
        return MalformedMultipartError(
            "A header of the upload is folded over several lines. "
            "Please send each header in one line.",
            reason="folded",
        )
    return malformed()


def compressed() -> MalformedMultipartError:
    """The answer to a body that is compressed."""
    return MalformedMultipartError(
        "The body of the request is compressed. Please send it as it is.", reason="compressed"
    )


def malformed() -> MalformedMultipartError:
    """The answer to a body that is no form, for any other reason."""
    return MalformedMultipartError(
        "The upload is not a well-formed multipart/form-data body. Please send the file again."
    )
