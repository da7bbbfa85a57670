import numpy as np

from tests.explaining import explanation


def test_the_heat_is_the_mean_of_the_members_maps() -> None:
    made = explanation()
    assert made.maps.shape == (2, 4, 4)
    np.testing.assert_allclose(made.heat, (made.maps[0] + made.maps[1]) / 2, atol=1e-7)
    assert made.heat.dtype == np.float32
