"""What the node knows of each image, on disk: SQLite, flushed with every change."""

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

FILE_NAME: Final = "ledger.sqlite"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS instances (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  received_s REAL NOT NULL,
  changed_s REAL NOT NULL,
  reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS instances_by_state ON instances (state, number);
CREATE TABLE IF NOT EXISTS results (
  uid TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  number INTEGER NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS results_by_source ON results (source, number);
"""


class State(StrEnum):
    """How far an image has come."""

    QUEUED = "queued"
    """Received; waits to be screened."""
    MADE = "made"
    """Its results are on disk and wait to be delivered."""
    SENT = "sent"
    """Its results were delivered."""
    REFUSED = "refused"
    """It cannot be judged: no chest radiograph, for instance. Nothing is sent."""
    QUARANTINED = "quarantined"
    """It could not be read, or ended the process again and again."""


WAITING: Final = (State.QUEUED, State.MADE)
ENDED: Final = (State.SENT, State.REFUSED, State.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image.

    Attributes:
        uid: Its SOP Instance UID.
        digest: SHA-256 of the file that was received.
        state: How far it has come.
        attempts: How often its screening was begun.
        reason: Code of the refusal or of the reason for quarantine.
    """

    uid: str
    digest: str
    state: State
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """One object that was made of an image.

    Attributes:
        uid: Its SOP Instance UID.
        number: Its place among the objects of the image.
    """

    uid: str
    number: int


class Ledger:
    """The states of all images that are remembered. Safe for many threads of one process.

    Every change is on disk when its method returns.

    Args:
        folder: Where the file is or will be.
        clock: Seconds since the epoch.

    Raises:
        sqlite3.DatabaseError: The file is damaged.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            folder / FILE_NAME, isolation_level=None, check_same_thread=False
        )
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            [(found,)] = self._db.execute("PRAGMA quick_check(1)")
            if found != "ok":
                raise sqlite3.DatabaseError("damaged")
            self._db.executescript(_SCHEMA)
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def summary(
        cls, folder: Path, clock: Callable[[], float] = time.time
    ) -> tuple[dict[State, int], float]:
        """What ``counts`` and ``oldest_s`` say of the ledger of a folder, beside a running node.

        Raises:
            FileNotFoundError: There is none.
        """
        if not (folder / FILE_NAME).exists():
            raise FileNotFoundError(FILE_NAME)
        ledger = cls(folder, clock=clock)
        try:
            return ledger.counts(), ledger.oldest_s()
        finally:
            ledger.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def find(self, uid: str) -> Entry | None:
        """What is known of an image."""
        rows = self._read(
            "SELECT uid, digest, state, attempts, reason FROM instances WHERE uid = ?", uid
        )
        return _entry(rows[0]) if rows else None

    def is_result(self, uid: str) -> bool:
        """Whether an object of this UID was made here."""
        return bool(self._read("SELECT 1 FROM results WHERE uid = ?", uid))

    def queue(self, uid: str, digest: str) -> None:
        """Take an image in, new or once more."""
        now = self._clock()
        with self._transaction() as db:
            db.execute("DELETE FROM instances WHERE uid = ?", (uid,))
            db.execute(
                "INSERT INTO instances (uid, digest, state, received_s, changed_s) "
                "VALUES (?, ?, ?, ?, ?)",
                (uid, digest, State.QUEUED, now, now),
            )

    def begin(self, uid: str) -> int:
        """Count an attempt to screen an image, before it is made.

        Returns:
            Which attempt this is, from 1.
        """
        with self._transaction() as db:
            db.execute("UPDATE instances SET attempts = attempts + 1 WHERE uid = ?", (uid,))
            [(attempts,)] = db.execute("SELECT attempts FROM instances WHERE uid = ?", (uid,))
        return int(attempts)

    def take_back(self, uid: str) -> None:
        """The last attempt does not count: it failed for a reason outside the image."""
        with self._transaction() as db:
            db.execute("UPDATE instances SET attempts = max(attempts - 1, 0) WHERE uid = ?", (uid,))

    def made(self, uid: str, results: Sequence[str]) -> None:
        """The results of an image, by their UIDs, are on disk and wait to be delivered."""
        with self._transaction() as db:
            db.execute("DELETE FROM results WHERE source = ?", (uid,))
            db.executemany(
                "INSERT OR REPLACE INTO results (uid, source, number) VALUES (?, ?, ?)",
                [(result, uid, number) for number, result in enumerate(results)],
            )
            self._change(db, uid, State.MADE, "")

    def sent(self, uid: str, results: Collection[str]) -> bool:
        """These results of an image were delivered.

        Returns:
            Whether they all are now.
        """
        with self._transaction() as db:
            db.executemany(
                "UPDATE results SET sent = 1 WHERE uid = ?", [(each,) for each in results]
            )
            [(left,)] = db.execute(
                "SELECT count(*) FROM results WHERE source = ? AND sent = 0", (uid,)
            )
            if not left:
                self._change(db, uid, State.SENT, "")
        return not left

    def end(self, uid: str, state: State, reason: str) -> None:
        """An image needs no more work, for this reason."""
        with self._transaction() as db:
            self._change(db, uid, state, reason)

    def waiting(self, state: State) -> Iterator[Entry]:
        """The images in this state, oldest first, as they are now."""
        after = 0
        while rows := self._read(
            "SELECT uid, digest, state, attempts, reason, number FROM instances "
            "WHERE state = ? AND number > ? ORDER BY number LIMIT 100",
            state,
            after,
        ):
            after = rows[-1][-1]
            yield from (_entry(row[:-1]) for row in rows)

    def undelivered(self, uid: str) -> list[Result]:
        """The results of an image that still have to be delivered, in their order."""
        rows = self._read(
            "SELECT uid, number FROM results WHERE source = ? AND sent = 0 ORDER BY number", uid
        )
        return [Result(*row) for row in rows]

    def counts(self) -> dict[State, int]:
        """How many images are in each state."""
        rows = dict(self._read("SELECT state, count(*) FROM instances GROUP BY state"))
        return {state: rows.get(state, 0) for state in State}

    def oldest_s(self) -> float:
        """For how long the oldest image that needs work has waited; 0 if there is none."""
        [(oldest,)] = self._read(
            "SELECT min(received_s) FROM instances WHERE state IN (?, ?)", *WAITING
        )
        return max(0.0, self._clock() - oldest) if oldest is not None else 0.0

    def forget(self, *, older_than_s: float) -> list[str]:
        """Forget the images whose work ended so long ago.

        Returns:
            The UIDs of those that were in quarantine.
        """
        before = self._clock() - older_than_s
        old = "state IN (?, ?, ?) AND changed_s < ?"
        with self._transaction() as db:
            quarantined = db.execute(
                "SELECT uid FROM instances WHERE state = ? AND changed_s < ?",
                (State.QUARANTINED, before),
            ).fetchall()
            db.execute(
                f"DELETE FROM results WHERE source IN (SELECT uid FROM instances WHERE {old})",  # noqa: S608 - our own text
                (*ENDED, before),
            )
            db.execute(f"DELETE FROM instances WHERE {old}", (*ENDED, before))  # noqa: S608
        return [uid for (uid,) in quarantined]

    def _change(self, db: sqlite3.Connection, uid: str, state: State, reason: str) -> None:
        db.execute(
            "UPDATE instances SET state = ?, reason = ?, changed_s = ? WHERE uid = ?",
            (state, reason, self._clock(), uid),
        )

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has rolled back by itself
                    self._db.execute("ROLLBACK")
                raise


def _entry(row: Sequence[Any]) -> Entry:
    uid, digest, state, attempts, reason = row
    return Entry(uid, digest, State(state), attempts, reason)
