"""How a command ends: its exit code and, when it cannot go on, a sentence on standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from service.server.process import unsupported_system

SUCCESS: Final = 0
SOME_FAILED: Final = 1
CANNOT_RUN: Final = 2
"""The command could not start or could not go on; the message says why."""
INTERRUPTED: Final = 130

OPTIONAL: Final = frozenset({"highdicom", "httpx", "pydicom", "pynetdicom"})
"""Packages of the extra ``dicom``."""


class CommandError(Exception):
    """A command cannot do what it was asked to do.

    Attributes:
        message: One or two sentences for the user.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End the command with a message and an exit code instead of a traceback."""
    try:
        if reason := unsupported_system():
            raise CommandError(reason)
        yield
    except CommandError as error:
        sys.stderr.write(f"{error.message}\n")
        raise typer.Exit(CANNOT_RUN) from None
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        sys.stderr.write(f"{error.name} is missing. Install the extra 'dicom' of this package.\n")
        raise typer.Exit(CANNOT_RUN) from None
    except BrokenPipeError:
        # The reader of our output has exited, as in `| head`. Flushing what is still buffered would
        # fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(SOME_FAILED) from None
