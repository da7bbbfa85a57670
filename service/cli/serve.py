"""Serves over HTTP."""

from collections.abc import Mapping
from typing import Any

from service.cli.loading import settings_with
from service.server.launch import launch


def serve(given: Mapping[str, Any]) -> None:
    """Serve until told to stop.

    Args:
        given: Options by the name of their setting; None where one was not given.

    Raises:
        CannotError: A setting is out of range.
    """
    launch(settings_with(given))
