"""``pneumonia-xray serve``: serves over HTTP."""

from collections.abc import Mapping
from typing import Any

from service.cli.loading import read_settings
from service.server import serving


def serve(options: Mapping[str, Any]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        options: Values by name of setting; None where an option was not given.

    Raises:
        CommandError: A setting is out of range.
    """
    serving.serve(read_settings(options))
