"""Swagger UI from our own files: hospital networks have no internet."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.responses import FileResponse, Response

from service.api.static import static_files

router = APIRouter(include_in_schema=False)

ASSETS: Final = Path(__file__).parent.parent / "docs_assets"

_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/docs")
async def docs() -> Response:
    """The page; everything it loads lies under /docs/assets, and its policy forbids the rest."""
    return FileResponse(ASSETS / "index.html", headers={"Content-Security-Policy": _PAGE_POLICY})


def mount_assets(app: FastAPI) -> None:
    """Serve what the page loads."""
    app.mount("/docs/assets", static_files(ASSETS), name="docs-assets")
