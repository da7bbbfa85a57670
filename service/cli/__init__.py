"""The command line: screens files and folders without the HTTP service.

Importing it loads nothing heavy, so that ``pneumonia-xray --help`` answers at once: each command
imports what it needs when it runs.
"""

from service.cli.app import main

__all__ = ["main"]
