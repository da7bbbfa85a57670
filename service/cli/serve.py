"""Serves over HTTP."""

from collections.abc import Mapping
from typing import Any

from service import server
from service.cli.loading import settings_with


def serve(given: Mapping[str, Any]) -> None:
    """Serve until told to stop.

    Args:
        given: Options by the name of their setting; None where one was not given.

    Raises:
        CannotError: A setting is out of range.
    """
    server.serve(settings_with(given))
