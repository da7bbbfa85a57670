"""The fault bench in short: all its scenes against the shipped bundle, without bars on time."""

import sys

import pytest

from service.imaging.formats import FORMATS, sniff_format
from tests.faults.bench import run
from tests.faults.bombs import SOUND_WITHIN, bombs
from tests.faults.corpus import mutations, sound_files
from tests.faults.exchange import PLANTED, PROBLEM, Answer
from tests.faults.scenes import Scale
from tests.faults.tally import Tally, table

SHORT = Scale(
    mutations=76,
    dicom_mutations=48,
    bomb_bytes=300_000,
    endless_mib=3,
    heavy=0,
    slow_sockets=10,
    slow_s=0.2,
    disconnects=30,
    clients=24,
    overload_s=0.6,
    images=6,
    timed=False,
)


@pytest.mark.skipif(sys.platform != "linux", reason="watches the process through /proc")
def test_the_service_survives_every_scene() -> None:
    tallies = run(SHORT, {"XRAY_UPLOAD_SECONDS": "1", "XRAY_MAX_UPLOAD_MIB": "2"})
    broken = [f"{tally.name}: {sentence}" for tally in tallies for sentence in tally.broken]
    assert not broken, "\n".join([*broken, table(tallies)])
    assert sum(tally.tried for tally in tallies) > 300


def test_the_corpus_is_the_same_each_time_and_hardly_repeats_itself() -> None:
    first, again = list(mutations(200)), list(mutations(200))
    assert first == again
    assert len({data for _, data in first}) > 190
    other = {data for _, data in mutations(200, seed=1)}
    assert len({data for _, data in first} & other) < 10


def test_every_format_is_mutated_and_names_are_planted_in_some_files() -> None:
    files = dict(sound_files())
    # Of DICOM there is a corpus of its own.
    assert {sniff_format(data) for data in files.values()} == {*FORMATS} - {"DICOM"}
    assert sum(PLANTED.encode() in data for data in files.values()) >= 4


def test_each_bomb_has_a_name_of_its_own() -> None:
    names = [name for name, _ in bombs(size=100_000)]
    assert len({*names}) == len(names)
    assert {*names} >= SOUND_WITHIN


def answer(status: int, body: bytes = b"{}", kind: str = "application/json") -> Answer:
    return Answer(status, 1, kind, body, body, 0.1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (answer(500), "x: status 500"),
        (answer(0), "x: no answer"),
        (answer(422), "x: an error that is no problem"),
        (answer(422, b"oops", PROBLEM), "x: an error that is no problem"),
        (answer(200, PLANTED.encode()), "x: a planted name"),
        (Answer(0, 0, "", b"", b"", 60.0, timed_out=True), "x: no end after 60 s"),
    ],
)
def test_the_bench_notices(given: Answer, sentence: str) -> None:
    tally = Tally("scene")
    tally.take("x", given, timed=True)
    assert sentence in tally.broken


def test_a_sound_answer_breaks_no_bar() -> None:
    tally = Tally("scene")
    tally.take("x", answer(200), timed=True)
    assert not tally.broken
    assert "200x1" in table([tally])
