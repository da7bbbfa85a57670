"""Several files in one answer: multipart/related (RFC 2387), as DICOMweb sends them (PS3.18)."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class RelatedParts:
    """Files of one media type.

    Attributes:
        media_type: Of each.
        files: Their bytes.
    """

    media_type: str
    files: Sequence[bytes]

    def response(self, headers: Mapping[str, str]) -> Response:
        """The answer that holds them in their order."""
        boundary = uuid.uuid4().hex
        pieces = []
        for file in self.files:
            head = (
                f"--{boundary}\r\n"
                f"Content-Type: {self.media_type}\r\n"
                f"Content-Length: {len(file)}\r\n\r\n"
            )
            pieces += [head.encode(), file, b"\r\n"]
        body = b"".join((*pieces, f"--{boundary}--\r\n".encode()))
        kind = f'multipart/related; type="{self.media_type}"; boundary={boundary}'
        return Response(body, headers=dict(headers), media_type=kind)
