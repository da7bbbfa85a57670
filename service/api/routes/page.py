"""The page at the root, in the reader's language, and what it loads."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from service import web
from service.errors import NotFoundError
from service.i18n import LANGUAGES, Language, negotiated

router = APIRouter(include_in_schema=False)

_DEFAULT: Language = "es"


# Not async: the first one renders, which must not hold the event loop up.
@router.get("/")
def root(
    request: Request,
    lang: Annotated[str, Query()] = "",
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """The page: in the language of ``?lang=``, else of the browser, else in Spanish."""
    asked = next((language for language in LANGUAGES if language == lang), None)
    language = asked or negotiated(accept_language, default=_DEFAULT)
    page = web.page(language)
    return _compressed_if_accepted(
        request,
        page.content,
        page.compressed,
        {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Language": language,
            "Content-Security-Policy": page.policy,
            "Vary": "Accept-Language, Accept-Encoding",
        },
    )


@router.get("/assets/{folder}/{name}")
async def asset(request: Request, folder: str, name: str) -> Response:
    """A script or picture of the page; its address changes with it, so that it may be kept."""
    found = web.asset(folder, name)
    if found is None:
        raise NotFoundError("The page has nothing at this address. Please load it anew.")
    return _compressed_if_accepted(
        request,
        found.content,
        found.compressed,
        {
            "Content-Type": found.media_type,
            "Cache-Control": "public, max-age=31536000, immutable",
            "Vary": "Accept-Encoding",
        },
    )


def _compressed_if_accepted(
    request: Request, content: bytes, compressed: bytes, headers: dict[str, str]
) -> Response:
    if "gzip" in request.headers.get("accept-encoding", "").lower():
        return Response(compressed, headers=headers | {"Content-Encoding": "gzip"})
    return Response(content, headers=headers)
