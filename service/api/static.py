"""Static files: what the page and the documentation load."""

from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

IMMUTABLE = "public, max-age=31536000, immutable"
"""Cache-Control for files whose address changes with their content."""


def static_files(directory: Path, *, cache_control: str | None = None) -> ASGIApp:
    """An application, to be mounted, that serves the files of a folder, compressed."""
    return GZipMiddleware(_StaticFiles(directory, cache_control), compresslevel=4)


class _StaticFiles(StaticFiles):
    def __init__(self, directory: Path, cache_control: str | None) -> None:
        super().__init__(directory=directory)
        self._cache_control = cache_control

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See ``StaticFiles``."""
        response = await super().get_response(path, scope)
        if self._cache_control is not None:
            response.headers["Cache-Control"] = self._cache_control
        return response
