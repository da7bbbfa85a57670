"""What was tried and what came of it, as one table, and which bars it broke."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from tests.faults.exchange import HANG_S, PLANTED, Answer

_NAMES = (PLANTED.encode(), b"Doe%5EJane", b"Jane'Planted", b"Jane%27Planted")


@dataclass
class Tally:
    """Counts of one scene; safe for many threads.

    Attributes:
        name: Of the scene.
        tried: Inputs sent.
        statuses: Answers by status; 0 is a connection that ended without an answer.
        hangs: Inputs that took longer than ``HANG_S`` seconds, or for ever.
        broken: A sentence for each bar that was broken.
        notes: What else was measured, for the table.
    """

    name: str
    tried: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    hangs: int = 0
    planted: int = 0
    peak_mib: float = 0.0
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, what: str, answer: Answer, *, timed: bool, may_be_cut: bool = False) -> None:
        """Count an answer and check what holds for every one."""
        with self._lock:
            self.tried += 1
            self.statuses[answer.status] += 1
            hung = answer.timed_out or (timed and answer.seconds > HANG_S)
            self.hangs += hung
            found = holds_a_planted_name(answer.raw)
            self.planted += found
            wrong = {
                f"no end after {answer.seconds:.0f} s": hung,
                "no answer": answer.status == 0 and not may_be_cut and not answer.timed_out,
                f"status {answer.status}": answer.status >= 500 and answer.status != 503,
                "an error that is no problem": not answer.is_sound(),
                "a planted name": found,
            }
            self.broken += [f"{what}: {fault}" for fault, is_so in wrong.items() if is_so]

    def demand(self, holds: bool, sentence: str) -> None:
        """Note a bar as broken unless it holds."""
        if not holds:
            with self._lock:
                self.broken.append(sentence)

    def row(self) -> list[str]:
        """Its line of the table."""
        statuses = " ".join(f"{status}x{n}" for status, n in sorted(self.statuses.items()))
        return [
            self.name,
            str(self.tried),
            statuses,
            str(self.hangs),
            f"{self.peak_mib:.0f}",
            str(self.planted),
            "; ".join(self.notes),
        ]


def holds_a_planted_name(raw: bytes) -> bool:
    """Tell whether bytes hold what was planted, plain or as a browser writes it."""
    return any(name in raw for name in _NAMES)


HEADINGS = ["scene", "tried", "answers", "hangs", "peak MiB", "names", "notes"]


def table(tallies: list[Tally]) -> str:
    """All scenes, aligned."""
    rows = [HEADINGS, *[tally.row() for tally in tallies]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
