"""A contender as a running process: start, first answer, processor time, memory, end."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks.cores import keep_to
from benchmarks.images import Item
from benchmarks.load import BOUNDARY, form

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
ASK_EVERY_S = 0.01
SAMPLE_EVERY_S = 0.5
MIB = 1024 * 1024


class ContenderError(Exception):
    """A contender that could not be measured, and why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How a contender is started.

    Attributes:
        command: Program and arguments.
        environment: Variables beside this process' own.
        port: Where it listens, on this machine.
        log: File for what it prints.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    log: Path


class Running:
    """A contender and all its children, on its cores, until the end of a ``with`` block."""

    def __init__(self, launch: Launch, cores: Sequence[int]) -> None:
        self.port = launch.port
        self._log = launch.log
        self._started = time.perf_counter()
        with launch.log.open("wb") as log:
            self._process = subprocess.Popen(
                launch.command,
                env=os.environ | launch.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.process_id = self._process.pid
        keep_to(self.process_id, cores)
        self._root = psutil.Process(self.process_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()  # what stands still hears no signal
        family = self._family()
        self._process.send_signal(signal.SIGTERM)
        alive = psutil.wait_procs(family, timeout=STOP_TIMEOUT_S)[1]
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=STOP_TIMEOUT_S)
        self._process.wait()

    def first_answer(self, item: Item) -> float:
        """Ask until the first verdict comes; seconds since the start of the process.

        Raises:
            ContenderError: It ended by itself, or none came in two minutes.
        """
        while True:
            taken_s = time.perf_counter() - self._started
            if self._process.poll() is not None:
                raise ContenderError(f"It ended by itself: {self._last_words()}")
            if taken_s > START_TIMEOUT_S:
                raise ContenderError(f"No answer after {taken_s:.0f} s: {self._last_words()}")
            try:
                status, _ = self.ask(item)
            except (OSError, http.client.HTTPException):
                status = 0
            if status == 200:
                return time.perf_counter() - self._started
            time.sleep(ASK_EVERY_S)

    def ask(self, item: Item) -> tuple[int, bytes]:
        """Send one file over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)
        try:
            headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            body = form("file", item.name, item.data)
            connection.request("POST", item.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer(self, item: Item) -> dict[str, Any]:
        """What it says of one radiograph.

        Raises:
            ContenderError: It refuses it.
        """
        status, text = self.ask(item)
        if status != 200:
            raise ContenderError(f"It answered {item.name} with status {status}.")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def pause(self) -> None:
        """Have it stand still, whatever it is at, so that it takes nothing from others."""
        for process in self._family():
            _unless_gone(process, "suspend")

    def go_on(self) -> None:
        """Let it run again."""
        for process in self._family():
            _unless_gone(process, "resume")

    def cpu_seconds(self) -> float:
        """Processor time so far, of the process and all that it started."""
        total = 0.0
        for process in self._family():
            times = _unless_gone(process, "cpu_times")
            if times is not None:
                total += times.user + times.system
        return total

    def memory_mib(self) -> float:
        """Memory of the process and its children now.

        What is private to each of them, and the shared pages of the one that has most: a contender
        of many processes is not charged for its libraries again and again.
        """
        infos = [_unless_gone(process, "memory_full_info") for process in self._family()]
        return together_mib([(info.rss, info.uss) for info in infos if info is not None])

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it printed nothing"


class Peak:
    """The most memory that was seen so far, in MiB."""

    def __init__(self) -> None:
        self.mib = 0.0


@contextmanager
def watched(running: Running) -> Iterator[Peak]:
    """Look at a contender's memory twice a second while a block runs."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            peak.mib = max(peak.mib, running.memory_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def together_mib(processes: Sequence[tuple[int, int]]) -> float:
    """Memory of several processes in MiB, of each one's resident and private bytes."""
    private = sum(own for _, own in processes)
    shared = max((resident - own for resident, own in processes), default=0)
    return (private + shared) / MIB


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _unless_gone(process: psutil.Process, method: str) -> Any:
    try:
        return getattr(process, method)()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
