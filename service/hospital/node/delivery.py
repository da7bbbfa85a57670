"""What every way of delivering results has in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class UnreachableError(Exception):
    """The destination did not take part at all; nothing else need be tried for the moment.

    Attributes:
        code: Stable name of the reason, for the log.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of some objects.

    Attributes:
        delivered: UIDs of those that the destination has now.
        rejected: For each of the others, a stable name of the reason.
    """

    delivered: tuple[str, ...] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)


class Destination(Protocol):
    """Where results go. An object that is sent twice must be kept once there."""

    def send(self, files: Mapping[str, Path]) -> Outcome:
        """Send objects, by SOP Instance UID, in this order. Blocks.

        Raises:
            UnreachableError: There was no connection, or it was refused.
            OSError: A file cannot be read.
        """
        ...
