"""A frame is prepared by the service's own function."""

import numpy as np

from service.imaging import InputSpec
from training.frames import to_tensor


def test_a_frame_becomes_the_services_tensor() -> None:
    tensor = to_tensor(np.full((80, 60), 51, np.uint8), InputSpec(height=32, width=32))
    assert tensor.shape == (32, 32, 1)
    np.testing.assert_allclose(tensor, 0.2, atol=1e-6)
