"""The command line: whole folders screened without the HTTP service, by the same use case.

Importing it loads nothing heavy: ``pneumonia-xray --help`` answers at once, and each command
imports what it needs when it runs.
"""

from service.cli.program import main

__all__ = ["main"]
