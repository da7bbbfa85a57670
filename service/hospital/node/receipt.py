"""What becomes of an object that is offered to the node."""

from enum import StrEnum


class Receipt(StrEnum):
    """What became of an object that was offered."""

    QUEUED = "queued"
    """It is on disk and will be screened."""
    DUPLICATE = "duplicate"
    """It was received before."""
    OWN = "own"
    """It was made here."""
    QUEUE_FULL = "queue_full"
    """Too many wait; nothing was kept."""
    DISK_FULL = "disk_full"
    """There is no room on the disk; nothing was kept."""

    @property
    def accepted(self) -> bool:
        """Whether its sender may forget it."""
        return self not in {Receipt.QUEUE_FULL, Receipt.DISK_FULL}
