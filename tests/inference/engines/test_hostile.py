"""What the list of layers refuses does not get as far as Keras."""

from pathlib import Path

import pytest

from service.inference import BundleError, load_ensemble
from service.inference.engines import tensorflow as engine
from tests.inference.crafted import keras_archive, layer, network, write_bundle
from tests.tiny_bundle import FILES as ORIGINAL_FILES

HOSTILE = keras_archive(config=network(layer("Lambda", function="x")))


@pytest.fixture(autouse=True)
def no_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_threads: int) -> None:
        raise AssertionError("Keras was started")

    monkeypatch.setattr(engine, "_start_tensorflow", start)


def test_a_right_digest_does_not_excuse_a_lambda_layer(tmp_path: Path) -> None:
    write_bundle(tmp_path, archives={"first.keras": keras_archive(), "second.keras": HOSTILE})

    with pytest.raises(BundleError, match=r"second\.keras uses 'Lambda'"):
        load_ensemble(tmp_path, threads=1)


def test_nor_does_a_folder_without_a_manifest(tmp_path: Path) -> None:
    for file, data in zip(ORIGINAL_FILES, (HOSTILE, keras_archive()), strict=True):
        (tmp_path / file).write_bytes(data)

    with pytest.raises(BundleError, match=f"{ORIGINAL_FILES[0]} uses 'Lambda'"):
        load_ensemble(tmp_path, threads=1)
