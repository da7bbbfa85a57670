import subprocess
from pathlib import Path

import pytest

from benchmarks.floor import StandingLoop, Wish, _on_every_core, ground
from benchmarks.images import radiographs
from service.imaging import decode, prepare
from service.inference import load_ensemble

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def wish(tmp_path: Path) -> Wish:
    item = radiographs(None)[0]
    file = tmp_path / item.name
    file.write_bytes(item.data)
    return Wish(str(MODELS), "int8", [str(file)], seconds=0.01, cores=2)


def test_the_bare_loop_says_what_the_ensemble_says(wish: Wish) -> None:
    found = ground(wish, cores=[])
    ensemble = load_ensemble(MODELS, threads=1, precision="int8")
    spec = ensemble.bundle.manifest.input
    radiograph = decode(Path(wish.files[0]).read_bytes(), near=max(spec.height, spec.width))
    [score] = ensemble.score(prepare(radiograph, spec)[None])
    assert found.probabilities == [pytest.approx(score.probability, abs=1e-6)]
    assert found.precision == "int8"
    assert min(found.floor.lone_cpu_s, found.floor.cpu_s) > 0


def test_with_all_cores_at_work_each_has_a_loop_of_its_own(wish: Wish) -> None:
    taken = _on_every_core(wish)  # two loops in one process would wait for each other for ever
    assert len(taken) == wish.cores
    assert min(taken) > 0


def test_a_loop_that_stands_still_between_its_turns_goes_on_with_each(wish: Wish) -> None:
    with StandingLoop(wish, cores=[]) as loop:
        turns = [loop.turn(0.01) for _ in range(2)]
    for turn in turns:
        assert set(turn) == {1, 2}
        assert all(taken and min(taken) > 0 for taken in turn.values())
    assert turns[0] != turns[1]


def test_a_standing_loop_that_cannot_begin_says_so(wish: Wish) -> None:
    Path(wish.files[0]).unlink()
    with pytest.raises(subprocess.CalledProcessError):
        StandingLoop(wish, cores=[])


def test_what_a_loop_cannot_read_ends_in_an_error_and_keeps_nobody_waiting(wish: Wish) -> None:
    Path(wish.files[0]).unlink()
    with pytest.raises(subprocess.CalledProcessError):
        ground(wish, cores=[])
