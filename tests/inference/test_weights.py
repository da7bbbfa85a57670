"""Weights pass only as plain arrays that lie whole inside their HDF5 file."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from service.inference import BundleError
from service.inference.weights import inspect_weights
from tests.inference.crafted import hdf5


def _refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        inspect_weights(data, file="net.keras")
    assert "net.keras" in caught.value.message
    return caught.value.message


def test_plain_arrays_pass() -> None:
    def more(file: Any) -> None:
        file["layers/norm/vars/0"] = np.arange(3, dtype=np.float16)
        file["layers/seed/vars/0"] = np.arange(2, dtype=np.uint32)
        file["layers/scalar/vars/0"] = np.float32(1)
        file["layers/empty/vars/0"] = np.empty((0, 3), np.float32)
        file["layers/norm"].attrs["name"] = "norm"

    inspect_weights(hdf5(more), file="net.keras")


@pytest.mark.parametrize("data", [b"", b"\x89HDF\r\n\x1a\n", b"not HDF5" * 1000])
def test_what_is_not_hdf5_is_refused(data: bytes) -> None:
    assert "are damaged" in _refusal(data)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_file_is_refused(share: float) -> None:
    data = hdf5(lambda file: file.__setitem__("more", np.zeros(10_000)))

    assert _refusal(data[: int(len(data) * share)])


def test_an_external_link_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros(3)
    link = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")

    assert "a link to somewhere else" in _refusal(hdf5(lambda file: file.__setitem__("x", link)))


def test_a_soft_link_is_refused() -> None:
    link = h5py.SoftLink("/layers/dense/vars/0")

    assert "a link to somewhere else" in _refusal(hdf5(lambda file: file.__setitem__("x", link)))


def test_values_in_an_external_file_are_refused(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(400))

    def write(file: Any) -> None:
        file.create_dataset("x", (100,), np.float32, external=[(str(raw), 0, 400)])

    assert "keep values in another file" in _refusal(hdf5(write))


def test_a_virtual_array_is_refused() -> None:
    def write(file: Any) -> None:
        layout = h5py.VirtualLayout((100,), np.float32)
        layout[:] = h5py.VirtualSource("other.h5", "x", (100,))
        file.create_virtual_dataset("x", layout)

    assert "keep values in another file" in _refusal(hdf5(write))


@pytest.mark.parametrize(
    "dtype", [h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype(np.float32), "S8", "V8", "c8"]
)
def test_values_that_are_not_plain_numbers_are_refused(dtype: object) -> None:
    data = hdf5(lambda file: file.create_dataset("x", (3,), dtype))

    assert "not plain numbers" in _refusal(data)


def test_a_compressed_shape_bomb_is_refused() -> None:
    def write(file: Any) -> None:
        file.create_dataset("x", (2**40,), np.float32, chunks=(2**20,), compression="gzip")

    data = hdf5(write)
    assert len(data) < 2**16
    assert "claim more numbers than the file holds" in _refusal(data)


def test_a_shape_bomb_that_was_never_written_is_refused() -> None:
    data = hdf5(lambda file: file.create_dataset("x", (2**30, 2**10), np.float32))

    assert len(data) < 2**16
    assert "claim more numbers than the file holds" in _refusal(data)


def test_an_array_that_claims_more_than_the_whole_file_is_refused() -> None:
    data = bytearray(hdf5(lambda file: file.__setitem__("x", np.zeros((7, 11, 13), np.float32))))
    # Both the shape and the storage size are made to lie, as a patient attacker would.
    shape = b"".join(side.to_bytes(8, "little") for side in (7, 11, 13))
    size = (7 * 11 * 13 * 4).to_bytes(8, "little")
    assert data.count(shape) >= 1
    assert data.count(size) >= 1
    huge = b"".join(side.to_bytes(8, "little") for side in (700, 11, 13))
    lying = bytes(data).replace(shape, huge)
    lying = lying.replace(size, (700 * 11 * 13 * 4).to_bytes(8, "little"))

    assert _refusal(lying)


def test_a_tree_that_bites_its_tail_is_refused() -> None:
    def write(file: Any) -> None:
        file["layers/dense/again"] = file["layers"]

    assert "not a plain tree" in _refusal(hdf5(write))


def test_an_array_under_two_names_is_refused() -> None:
    def write(file: Any) -> None:
        file["layers/dense/vars/1"] = file["layers/dense/vars/0"]

    assert "not a plain tree" in _refusal(hdf5(write))


def test_a_named_type_is_refused() -> None:
    data = hdf5(lambda file: file.__setitem__("type", np.dtype(np.float32)))

    assert "something other than arrays" in _refusal(data)
