"""What is done to the service, one scene after another."""

import itertools
import json
import random
import signal
import socket
import statistics
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults.attacks import attacks, post
from tests.faults.bombs import SOUND_WITHIN, bombs, heavy_png
from tests.faults.corpus import mutations, sound_files
from tests.faults.dicom import dicom_bombs, sound_dicom
from tests.faults.exchange import Answer, leave, talk, upload
from tests.faults.subject import Subject
from tests.faults.tally import Tally
from tests.serving import form, part, radiograph

EXTRA_MIB = 600
HEALTH_P99_S = 0.25
RECOVERY_S = 5.0
SLOW_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything.

    Attributes:
        timed: Whether times count as bars; on a machine that does other work they mean little.
    """

    mutations: int = 1_500
    dicom_mutations: int = 2_000
    bomb_bytes: int = 20_000_000
    endless_mib: int = 60
    heavy: int = 6
    slow_sockets: int = 50
    slow_s: float = 4.0
    disconnects: int = 200
    clients: int = 32
    overload_s: float = 8.0
    images: int = 40
    timed: bool = True


@dataclass(frozen=True, slots=True)
class Stage:
    """The service, how much to do, and the right answer for each image.

    Attributes:
        references: What the service says of an image when it has nothing else to do.
    """

    subject: Subject
    scale: Scale
    references: dict[int, str] = field(default_factory=dict)

    def learn(self) -> None:
        """Ask for every image alone."""
        for seed in range(self.scale.images):
            answer = talk(self.subject.port, upload(radiograph(seed)))
            assert answer.was_looked_at(), answer
            self.references[seed] = essence(answer)

    def ask(self, seed: int) -> Answer:
        """Send an image."""
        return talk(self.subject.port, upload(radiograph(seed)))


def essence(answer: Answer) -> str:
    """A verdict, or a refusal, without what is new in each answer."""
    body = json.loads(answer.body)
    del body["request_id"]
    return json.dumps(body)


def malformed_files(stage: Stage, tally: Tally) -> None:
    """Damaged files, and sound ones with names planted in them."""
    dicom = sound_dicom()
    planted = [(f"sound {name}", data) for name, data in [*sound_files(), *dicom]]
    read = _send_all(stage, tally, planted)
    tally.demand(read == len(planted), f"{len(planted) - read} sound files were not read")
    _send_all(stage, tally, mutations(stage.scale.mutations))
    _send_all(stage, tally, mutations(stage.scale.dicom_mutations, files=dicom))


def bomb_files(stage: Stage, tally: Tally) -> None:
    """Each bomb alone, with the memory it took; all are refused."""
    size = stage.scale.bomb_bytes
    for name, data in itertools.chain(bombs(size=size), dicom_bombs(size)):
        answer = talk(stage.subject.port, upload(data, filename="x"))
        tally.take(name, answer, timed=stage.scale.timed)
        tally.demand(not answer.was_looked_at() or name in SOUND_WITHIN, f"{name} was read")


def heavy_files(stage: Stage, tally: Tally) -> None:
    """The largest valid files, always two at once."""
    if not stage.scale.heavy:
        return
    idle = stage.subject.resident_mib()
    data = heavy_png()
    _send_all(stage, tally, [("heavy PNG", data)] * stage.scale.heavy, at_once=2)
    peak = stage.subject.peak_mib()
    tally.notes.append(f"idle {idle:.0f} MiB")
    tally.demand(peak <= idle + EXTRA_MIB, f"{peak:.0f} MiB is over {idle:.0f} + {EXTRA_MIB}")


def raw_http(stage: Stage, tally: Tally) -> None:
    """Every attack, eight at once: most of them wait for something."""

    def run(number: int) -> None:
        attack = shapes[number]
        answer = talk(
            stage.subject.port,
            *attack.pieces,
            pause_s=attack.pause_s,
            half_close=attack.half_close,
        )
        tally.take(attack.name, answer, timed=stage.scale.timed, may_be_cut=attack.may_be_cut)
        tally.demand(answer.count <= attack.most_answers, f"{attack.name}: {answer.count} answers")

    shapes = list(attacks(endless_mib=stage.scale.endless_mib))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(len(shapes))))


def slow_sockets(stage: Stage, tally: Tally) -> None:
    """Good traffic, alone and beside slow clients in turns: the ratio of the medians."""
    alone, beside = [], []
    for _ in range(3):
        alone.append(_throughput(stage, tally))
        slow = [stage.subject.connect() for _ in range(stage.scale.slow_sockets)]
        head = post("Content-Length: 100000")
        done = threading.Event()
        trickle = threading.Thread(target=_trickle, args=(slow, head, done))
        trickle.start()
        beside.append(_throughput(stage, tally))
        done.set()
        trickle.join()
        for connection in slow:
            connection.close()
    share = statistics.median(beside) / statistics.median(alone)
    tally.notes.append(f"{share:.0%} of {statistics.median(alone):.1f} answers/s")
    if stage.scale.timed:
        tally.demand(share >= SLOW_SHARE, f"good traffic kept {share:.0%} of its throughput")


def _trickle(slow: list[socket.socket], head: bytes, done: threading.Event) -> None:
    for position in itertools.count():
        for number, connection in enumerate(slow):
            # Half of them never end their headers, half trickle a body.
            limit = len(head) - 10 if number % 2 else len(head) + 50_000
            piece = head[position : position + 1] or b"x"
            if position < limit:
                try:
                    connection.send(piece)
                except OSError:
                    continue
        if done.wait(0.05):
            return


def _throughput(stage: Stage, tally: Tally) -> float:
    """Answers a second of four clients."""
    start = time.monotonic()
    count = _load(stage, tally, clients=4, seconds=stage.scale.slow_s, may_refuse=False)
    return count / (time.monotonic() - start)


def _load(
    stage: Stage, tally: Tally, *, clients: int, seconds: float, may_refuse: bool = True
) -> int:
    """Clients that ask without pause; each must get its image's answer. Gives their number."""
    end = time.monotonic() + seconds

    def client(number: int) -> int:
        good = 0
        for turn in itertools.count():
            if time.monotonic() >= end:
                return good
            seed = (number * 7 + turn) % len(stage.references)
            answer = stage.ask(seed)
            tally.take("load", answer, timed=stage.scale.timed)
            read = answer.was_looked_at()
            allowed = read or (may_refuse and answer.status == 503)
            tally.demand(allowed, f"load: status {answer.status}")
            if read:
                good += 1
                same = essence(answer) == stage.references[seed]
                tally.demand(same, f"image {seed} got another answer")
        raise AssertionError

    with ThreadPoolExecutor(clients) as pool:
        return sum(pool.map(client, range(clients)))


def disconnects(stage: Stage, tally: Tally) -> None:
    """Clients that leave: half in mid-upload, half while their image is looked at."""
    rng = random.Random(0)
    for number in range(stage.scale.disconnects):
        body = form(part(radiograph(number % stage.scale.images)))
        request = post(f"Content-Length: {len(body)}") + body
        connection = stage.subject.connect()
        share = 1.0 if number % 2 else rng.uniform(0.05, 0.95)
        connection.sendall(request[: int(len(request) * share)])
        time.sleep(rng.uniform(0, 0.02))
        leave(connection, abruptly=rng.random() < 0.5)
        tally.tried += 1
    tally.demand(stage.subject.wait_until_quiet(), "work of clients that left never ended")
    tally.take("afterwards", stage.ask(0), timed=stage.scale.timed)


def overload(stage: Stage, tally: Tally) -> None:
    """More clients than can be served; health must answer, and the service recover."""
    waits: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            start = time.monotonic()
            status, _ = stage.subject.get("/health/live")
            waits.append(time.monotonic() - start)
            tally.demand(status == 200, f"/health/live: {status}")

    watcher = threading.Thread(target=watch)
    watcher.start()
    _load(stage, tally, clients=stage.scale.clients, seconds=stage.scale.overload_s)
    start = time.monotonic()
    answer = stage.ask(0)
    recovery = time.monotonic() - start
    done.set()
    watcher.join()
    tally.demand(answer.was_looked_at(), f"after the burst: status {answer.status}")
    p99 = sorted(waits)[int(0.99 * (len(waits) - 1))]
    tally.notes.append(f"health p99 {p99 * 1000:.0f} ms, recovery {recovery:.2f} s")
    if stage.scale.timed:
        tally.demand(p99 <= HEALTH_P99_S, f"/health/live p99 {p99 * 1000:.0f} ms")
        tally.demand(recovery <= RECOVERY_S, f"recovery took {recovery:.1f} s")


def end_under_load(stage: Stage, tally: Tally, number: signal.Signals) -> None:
    """A signal under load. SIGTERM loses no answer; neither leaves anything behind."""
    gone = threading.Event()
    lost: list[float] = []
    signalled = float("inf")

    def client(seed: int) -> None:
        while not gone.is_set():
            start = time.monotonic()
            answer = stage.ask(seed)
            if answer.status == 0:
                lost.append(start)
                return
            tally.take("load", answer, timed=stage.scale.timed)
            if answer.was_looked_at():
                same = essence(answer) == stage.references[seed]
                tally.demand(same, f"image {seed} got another answer")

    with ThreadPoolExecutor(12) as pool:
        running = [pool.submit(client, seed % stage.scale.images) for seed in range(12)]
        time.sleep(1.0)
        signalled = time.monotonic()
        stage.subject.signal(number)
        status = stage.subject.exit_status()
        gone.set()
        for client_run in running:
            client_run.result()
    # Who came after the signal may find nobody; who came before it must be answered.
    early = sum(start < signalled for start in lost)
    if number is signal.SIGTERM:
        tally.demand(early == 0, f"{early} answers lost")
        tally.demand(status == 0, f"exit status {status}")
    left = stage.subject.temporary_files()
    tally.demand(left == 0, f"{left} temporary files left")
    tally.notes.append(f"{early} answers lost, exit status {status}")


def go_on(stage: Stage, tally: Tally) -> None:
    """The process that was started anew answers as the one before it did."""
    answer = stage.ask(0)
    same = answer.was_looked_at() and essence(answer) == stage.references[0]
    tally.demand(same, "the new process answers differently")
    tally.peak_mib = stage.subject.peak_mib()


def _send_all(
    stage: Stage, tally: Tally, files: Iterable[tuple[str, bytes]], *, at_once: int = 4
) -> int:
    """Send files, and count those that were looked at."""

    def send(case: tuple[str, bytes]) -> bool:
        name, data = case
        answer = talk(stage.subject.port, upload(data, filename="x"))
        tally.take(name, answer, timed=stage.scale.timed)
        return answer.was_looked_at()

    with ThreadPoolExecutor(at_once) as pool:
        return sum(pool.map(send, files))
