"""The script that this service replaces, stated anew, agrees on a folder without a manifest."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.imaging import decode, prepare
from service.inference import Ensemble, load_ensemble
from tests.phantom import phantom
from tests.tiny_bundle import FILES, write_tiny_bundle

pytestmark = pytest.mark.tensorflow

_ORIGINALS = Path(__file__).parents[2] / "shared" / "data" / "originals"
_SUFFIXES = {".jpeg", ".jpg", ".png", ".webp"}

Script = Callable[[bytes], tuple[str, float]]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("original"), manifest=False)


@pytest.fixture(scope="module")
def ensemble(models: Path) -> Ensemble:
    return load_ensemble(models, threads=2)


@pytest.fixture(scope="module")
def script(models: Path) -> Script:
    """Class and probability as the predecessor computed them, by Keras' and Pillow's own means."""
    import keras  # noqa: PLC0415 - loading it takes seconds

    networks: list[Any] = [keras.models.load_model(models / file, compile=False) for file in FILES]

    def predict(data: bytes) -> tuple[str, float]:
        image = Image.open(BytesIO(data)).convert("L").resize((256, 256))
        tensor = keras.utils.img_to_array(image)[None] / 255.0
        first, second = (float(network(tensor, training=False)[0][0]) for network in networks)
        mean = (first + second) / 2
        return ("PNEUMONIA" if mean > 0.5 else "NORMAL"), mean

    return predict


def _assert_agreement(data: bytes, ensemble: Ensemble, script: Script) -> None:
    manifest = ensemble.bundle.manifest
    label, mean = script(data)
    (score,) = ensemble.score(prepare(decode(data), manifest.input)[None])

    assert score.probability == pytest.approx(mean, abs=1e-4)
    if abs(mean - 0.5) > 1e-4:
        above = score.probability > manifest.threshold.value
        assert (manifest.labels.positive if above else manifest.labels.negative) == label


@pytest.mark.parametrize("seed", range(10))
def test_a_phantom_gets_the_probability_of_the_original_script(
    seed: int, ensemble: Ensemble, script: Script
) -> None:
    picture = phantom(seed, size=(300 + 61 * seed, 420 - 23 * seed), opacity=seed % 3 / 2)
    file_format, mode = (
        ("JPEG", "L"),
        ("PNG", "L"),
        ("WEBP", "RGB"),
        ("BMP", "L"),
        ("TIFF", "L"),
        ("JPEG", "RGB"),
    )[seed % 6]
    file = BytesIO()
    picture.convert(mode).save(file, file_format)

    _assert_agreement(file.getvalue(), ensemble, script)


@pytest.mark.skipif(not _ORIGINALS.is_dir(), reason="the original radiographs are not here")
def test_fifty_radiographs_get_the_probability_of_the_original_script(
    ensemble: Ensemble, script: Script
) -> None:
    files = sorted(path for path in _ORIGINALS.rglob("*") if path.suffix.lower() in _SUFFIXES)[:50]
    assert len(files) == 50

    for path in files:
        _assert_agreement(path.read_bytes(), ensemble, script)
