"""Networks and their graphs give the same scores: closely in 32 bits, nearly in 8."""

from pathlib import Path

import keras
import numpy as np
import pytest

from service.inference import open_bundle
from tests.inference.engines.networks import phantom_batch
from tests.tiny_bundle import FILES, write_tiny_bundle
from training.graphs import both_scores

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]


def test_members_are_scored_in_both_precisions(tmp_path: Path) -> None:
    directory = write_tiny_bundle(tmp_path, pooled=True)
    files = [directory / file for file in FILES]
    spec = open_bundle(directory).manifest.input
    images = phantom_batch(20, first=40)

    wide, narrow = both_scores(files, spec, phantom_batch(40), images)

    networks = [keras.saving.load_model(file, compile=False) for file in files]
    expected = np.concatenate([np.asarray(network(images)) for network in networks], axis=1)
    np.testing.assert_allclose(wide, expected, atol=1e-4)
    assert 0 < np.abs(narrow - wide).mean() < 0.05
