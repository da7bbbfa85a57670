"""The page at the root, in the reader's language, and what it loads."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from service import web
from service.api.static import IMMUTABLE, static_files
from service.i18n import LANGUAGES, Language, negotiate_language

router = APIRouter(include_in_schema=False)

_DEFAULT: Language = "es"


# Not async: the first request renders the page, which must not block the event loop.
@router.get("/")
def root(
    request: Request,
    lang: Annotated[str, Query()] = "",
    accept_language: Annotated[str | None, Header()] = None,
) -> Response:
    """The page: in the language of ``?lang=``, else of the browser, else in Spanish."""
    asked = next((language for language in LANGUAGES if language == lang), None)
    language = asked or negotiate_language(accept_language, default=_DEFAULT)
    page = web.page(language)
    headers = {
        "Content-Language": language,
        "Content-Security-Policy": page.policy,
        "Vary": "Accept-Language, Accept-Encoding",
    }
    if "gzip" in request.headers.get("accept-encoding", "").lower():
        return HTMLResponse(page.compressed, headers=headers | {"Content-Encoding": "gzip"})
    return HTMLResponse(page.content, headers=headers)


def mount_assets(app: FastAPI) -> None:
    """Serve what the page loads; the address names the content, so browsers may keep it."""
    files = static_files(web.ASSETS, cache_control=IMMUTABLE)
    app.mount(f"/assets/{web.assets_digest()}", files, name="assets")
