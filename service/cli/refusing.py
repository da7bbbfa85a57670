"""How a command ends when it cannot do its work: a sentence on standard error and a status."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

ALL_WELL: Final = 0
SOME_FAILED: Final = 1
NOT_DONE: Final = 2
"""Nothing could be done, or it could not be gone on with; the sentence says why."""
INTERRUPTED: Final = 130


class CannotError(Exception):
    """A command cannot do what it was asked to.

    Attributes:
        message: One or two sentences for the person at the keyboard.
        status: The status that the process ends with.
    """

    def __init__(self, message: str, *, status: int = NOT_DONE) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@contextmanager
def in_words() -> Iterator[None]:
    """End the command in a sentence, never in a library's traceback, when it cannot go on."""
    try:
        yield
    except CannotError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - for the person at the keyboard
        raise typer.Exit(error.status) from None
    except BrokenPipeError:
        # Whoever read our output has gone, as `| head` does. What Python has yet to flush would
        # fail once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(SOME_FAILED) from None
