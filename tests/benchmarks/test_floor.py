import subprocess
from pathlib import Path

import pytest

from benchmarks.floor import LoopSpec, PausedLoop, cpu_seconds_on_every_core, measure_floor
from service.inference import load_ensemble
from service.screening.screen import Screening
from tests.films import films, needs_films
from tests.serving import ROOT

MODELS = ROOT / "models"

pytestmark = needs_films


@pytest.fixture
def spec(tmp_path: Path) -> LoopSpec:
    file = tmp_path / "film.jpeg"
    file.write_bytes(films()[0].read_bytes())
    return LoopSpec(str(MODELS), "fp32", [str(file)], seconds=0.01, cores=2)


def test_the_bare_loop_gives_the_verdicts_of_the_service(spec: LoopSpec) -> None:
    found = measure_floor(spec, cores=[])
    ensemble = load_ensemble(MODELS, threads=1, precision="fp32")
    screening = Screening(ensemble, max_pixels=10**8)
    verdict = screening.screen(Path(spec.files[0]).read_bytes())
    assert found.probabilities == [verdict.probability]
    assert found.precision == "fp32"
    assert min(found.floor.solo_cpu_s, found.floor.cpu_s) > 0


def test_each_core_runs_its_own_loop(spec: LoopSpec) -> None:
    taken = cpu_seconds_on_every_core(spec)  # would time out with two loops in one process
    assert len(taken) == spec.cores
    assert min(taken) > 0


def test_a_paused_loop_runs_in_each_turn(spec: LoopSpec) -> None:
    with PausedLoop(spec, cores=[]) as loop:
        turns = [loop.turn(0.01) for _ in range(2)]
    for turn in turns:
        assert set(turn) == {1, 2}
        assert all(taken and min(taken) > 0 for taken in turn.values())
    assert turns[0] != turns[1]


def test_a_paused_loop_that_cannot_start_raises(spec: LoopSpec) -> None:
    Path(spec.files[0]).unlink()
    with pytest.raises(subprocess.CalledProcessError):
        PausedLoop(spec, cores=[])


def test_an_unreadable_file_ends_all_loops_with_an_error(spec: LoopSpec) -> None:
    Path(spec.files[0]).unlink()
    with pytest.raises(subprocess.CalledProcessError):
        measure_floor(spec, cores=[])
