"""A contender as a process: start, first answer, CPU time, memory, end."""

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

from benchmarks.affinity import pin_to_cores
from benchmarks.images import Item
from benchmarks.load import BOUNDARY, form

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.01
MEMORY_INTERVAL_S = 0.5
MIB = 1024 * 1024


class ContenderError(Exception):
    """A contender could not be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a contender.

    Attributes:
        command: Program and arguments.
        environment: Additional environment variables.
        port: Port on this machine.
        log: File for its output.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    log: Path


class Running:
    """A contender with its children, running on its cores; a context manager that ends them all."""

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
        pin_to_cores(self.process_id, cores)
        self._root = psutil.Process(self.process_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()  # a suspended process handles no signal
        family = self._processes()
        self._process.send_signal(signal.SIGTERM)
        alive = psutil.wait_procs(family, timeout=STOP_TIMEOUT_S)[1]
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=STOP_TIMEOUT_S)
        self._process.wait()

    def time_to_first_answer(self, item: Item, key: str = "") -> float:
        """Poll until the first verdict; returns the seconds since the start of the process.

        Raises:
            ContenderError: It exited, or did not answer within two minutes.
        """
        while True:
            taken_s = time.perf_counter() - self._started
            if self._process.poll() is not None:
                raise ContenderError(f"It exited: {self._last_log_line()}")
            if taken_s > START_TIMEOUT_S:
                raise ContenderError(f"No answer after {taken_s:.0f} s: {self._last_log_line()}")
            try:
                status, _ = self.ask(item, key)
            except (OSError, http.client.HTTPException):
                status = 0
            if status == 200:
                return time.perf_counter() - self._started
            time.sleep(POLL_INTERVAL_S)

    def ask(self, item: Item, key: str = "") -> tuple[int, bytes]:
        """Send one file over a new connection, with an API key if there is one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT_S)
        try:
            headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            if key:
                headers["X-API-Key"] = key
            body = form("file", item.name, item.data)
            connection.request("POST", item.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answer(self, item: Item) -> dict[str, Any]:
        """The answer to one radiograph.

        Raises:
            ContenderError: The status is not 200.
        """
        status, text = self.ask(item)
        if status != 200:
            raise ContenderError(f"It answered {item.name} with status {status}.")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def suspend(self) -> None:
        """Suspend it, so that it uses no CPU while others are measured."""
        for process in self._processes():
            _call_if_alive(process, "suspend")

    def resume(self) -> None:
        """Resume it."""
        for process in self._processes():
            _call_if_alive(process, "resume")

    def cpu_seconds(self) -> float:
        """CPU time so far of the process and its children."""
        total = 0.0
        for process in self._processes():
            times = _call_if_alive(process, "cpu_times")
            if times is not None:
                total += times.user + times.system
        return total

    def memory_mib(self) -> float:
        """Current memory of the process and its children.

        The private memory of each, plus the largest amount of shared memory of any: the libraries
        of a contender with many processes are counted once.
        """
        infos = [_call_if_alive(process, "memory_full_info") for process in self._processes()]
        return combined_memory_mib([(info.rss, info.uss) for info in infos if info is not None])

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _last_log_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else "it printed nothing"


class PeakMemory:
    """Peak memory so far, in MiB."""

    def __init__(self) -> None:
        self.mib = 0.0


@contextmanager
def watch_memory(running: Running) -> Iterator[PeakMemory]:
    """Sample the memory of a contender twice a second while the context lasts."""
    peak, stop = PeakMemory(), threading.Event()

    def watch() -> None:
        while not stop.wait(MEMORY_INTERVAL_S):
            peak.mib = max(peak.mib, running.memory_mib())

    # A daemon: an interrupt that comes while it starts must not leave the benchmark waiting for it.
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def combined_memory_mib(processes: Sequence[tuple[int, int]]) -> float:
    """Memory of several processes in MiB, from the resident and private bytes of each."""
    private = sum(own for _, own in processes)
    shared = max((resident - own for resident, own in processes), default=0)
    return (private + shared) / MIB


def free_port() -> int:
    """A free TCP port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _call_if_alive(process: psutil.Process, method: str) -> Any:
    try:
        return getattr(process, method)()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
