"""What large pictures took is given back, so that memory does not grow with what was sent once."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from unittest import mock

import pytest

from service.server import memory
from service.server.memory import lasting, nothing_is_garbage

ROOT = Path(__file__).parents[1]
STATUS = Path("/proc/self/status")

# Pictures of 12 megapixels, two at a time, in threads that live on, as the service decodes them.
CODE = """
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
import sys
from service.imaging import decode
from service.server.memory import return_large_blocks
from tests.phantom import phantom

def resident_mib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024

buffer = BytesIO()
phantom(1, (400, 300)).convert("RGB").resize((4000, 3000)).save(buffer, "JPEG")
assert return_large_blocks()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(decode, [buffer.getvalue()]))  # what a first decode loads stays
    before = resident_mib()
    for _ in range(4):
        assert [r.width for r in pool.map(decode, [buffer.getvalue()] * 2)] == [4000, 4000]
    print(resident_mib() - before)
"""


@pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read from /proc")
@pytest.mark.skipif(sys.platform != "linux", reason="the setting is glibc's")
def test_decoding_large_pictures_leaves_nothing_behind() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert int(run.stdout) < 24


# Radiographs of the usual size, one after another. Whether the block that is freed last lies at the
# end of its heap, where it could be given back, is a matter of luck: so the luck is made here.
FAULTS = """
from ctypes import CDLL, c_size_t, c_void_p
from resource import RUSAGE_SELF, getrusage
from service.server.memory import return_large_blocks

assert return_large_blocks()
libc = CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = c_void_p, [c_size_t]
libc.free.argtypes = [c_void_p]

def use(size):
    blocks = [libc.malloc(size) for _ in range(4)]
    for block in blocks:
        libc.memset(c_void_p(block), 1, c_size_t(size))
    for block in blocks:
        libc.free(block)

use(150_000)
before = getrusage(RUSAGE_SELF).ru_minflt
for _ in range(50):
    use(150_000)
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the setting is glibc's")
def test_what_every_radiograph_needs_is_not_fetched_again_for_each() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FAULTS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert int(run.stdout) < 1000


# A block in four stays, so that of those in between none lies at the end of a heap.
HOLES = """
from pathlib import Path
import time
from service.server.memory import return_large_blocks, tidied

def resident_mib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024

assert return_large_blocks()
blocks = [bytes(40_000) for _ in range(4000)]
full = resident_mib()
blocks = blocks[::4]
time.sleep(0.3)
print(full - resident_mib())
with tidied(every_s=0.05):
    end = time.monotonic() + 20
    while full - resident_mib() < 80 and time.monotonic() < end:
        sum(range(10_000))  # a service at work
print(full - resident_mib())
"""


@pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read from /proc")
@pytest.mark.skipif(sys.platform != "linux", reason="what gives it back is glibc's")
def test_what_lies_free_between_blocks_in_use_is_given_back() -> None:
    run = subprocess.run(
        [sys.executable, "-c", HOLES], cwd=ROOT, check=True, capture_output=True, text=True
    )
    before, after = map(int, run.stdout.split())
    assert before < 40
    assert after >= 80


def test_a_service_that_only_waits_is_not_tidied(monkeypatch: pytest.MonkeyPatch) -> None:
    done_s = 0.0
    trimmed = threading.Event()
    c_library = mock.Mock(malloc_trim=lambda _: trimmed.set())
    monkeypatch.setattr("ctypes.CDLL", lambda _: c_library)
    monkeypatch.setattr("time.process_time", lambda: done_s)
    with memory.tidied(every_s=0.02):
        assert not trimmed.wait(0.3)
        done_s = 1.0
        assert trimmed.wait(20)


def test_circles_of_finished_work_are_found_with_any_c_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: mock.Mock(spec=[]))

    class Report:
        def __init__(self) -> None:
            self.itself = self

    gc.disable()
    try:
        finished = weakref.ref(Report())
        assert finished() is not None
        with memory.tidied(every_s=0.02):
            end = time.monotonic() + 20
            while finished() is not None and time.monotonic() < end:
                sum(range(10_000))
        assert finished() is None
    finally:
        gc.enable()


def test_what_was_made_meanwhile_is_not_searched_for_garbage() -> None:
    frozen = gc.get_freeze_count()
    try:
        with nothing_is_garbage():
            assert not gc.isenabled()
            lasting: list[list[int]] = [[number] for number in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= frozen + len(lasting)
    finally:
        gc.unfreeze()


def test_garbage_is_searched_for_again_after_an_error() -> None:
    try:
        with pytest.raises(ValueError, match="meanwhile"), nothing_is_garbage():
            raise ValueError("meanwhile")
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_what_is_loaded_later_is_not_searched_for_garbage_either() -> None:
    frozen = gc.get_freeze_count()
    try:
        loaded = lasting(lambda: [[number] for number in range(1000)])()
        assert gc.get_freeze_count() >= frozen + len(loaded)
        assert gc.isenabled()
    finally:
        gc.unfreeze()
