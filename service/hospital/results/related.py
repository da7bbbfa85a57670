"""Several DICOM files in one body: multipart/related (RFC 2387, PS3.18 8.6.1)."""

import secrets
from collections.abc import Iterable
from typing import Final

DICOM: Final = "application/dicom"


def related(files: Iterable[bytes]) -> tuple[str, bytes]:
    """Put DICOM files into a multipart/related body, in their order.

    Returns:
        Its Content-Type and its bytes.
    """
    boundary = secrets.token_hex(16)
    pieces = []
    for file in files:
        head = f"--{boundary}\r\nContent-Type: {DICOM}\r\nContent-Length: {len(file)}\r\n\r\n"
        pieces += [head.encode(), file, b"\r\n"]
    kind = f'multipart/related; type="{DICOM}"; boundary={boundary}'
    return kind, b"".join((*pieces, f"--{boundary}--\r\n".encode()))
