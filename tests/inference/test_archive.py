"""A ``.keras`` archive passes only with its three parts, built-in layers and plain weights."""

import json
import struct
import zipfile
from typing import Any

import h5py
import pytest

from service.inference import BundleError
from service.inference.archive import inspect_archive
from tests.inference.crafted import hdf5, keras_archive, layer, network


def _refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        inspect_archive(data, file="net.keras")
    assert "net.keras" in caught.value.message
    return caught.value.message


def test_a_plain_network_passes() -> None:
    dense = layer("Dense", units=1, kernel_initializer=layer("Zeros", module="keras.initializers"))

    inspect_archive(keras_archive(config=network(dense)), file="net.keras")


def test_a_recompressed_archive_passes() -> None:
    data = keras_archive(compression=zipfile.ZIP_DEFLATED)

    inspect_archive(data, file="net.keras")


def test_how_a_network_was_trained_is_not_looked_at() -> None:
    trained = network(compile_config={"optimizer": {"module": "mine", "class_name": "Sgd"}})

    inspect_archive(keras_archive(config=trained), file="net.keras")


@pytest.mark.parametrize("name", ["assets/vocabulary.txt", "../config.json", "model.weights.npz"])
def test_an_extra_archive_member_is_refused(name: str) -> None:
    assert name in _refusal(keras_archive(extra=[(name, b"")]))


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_an_archive_without_one_of_its_parts_is_refused(name: str) -> None:
    assert "lacks one of its three parts" in _refusal(keras_archive(without=name))


def test_a_part_that_is_there_twice_is_refused() -> None:
    twice = keras_archive(extra=[("config.json", b"{}")])

    assert "holds one twice" in _refusal(twice)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"not an archive" * 100])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    assert "is not a sound .keras archive" in _refusal(data)


def test_a_truncated_archive_is_refused() -> None:
    data = keras_archive()

    assert "is not a sound .keras archive" in _refusal(data[: len(data) // 2])


def test_a_part_whose_checksum_is_wrong_is_refused() -> None:
    data = keras_archive().replace(b"crafted", b"altered", 1)

    assert "is not a sound .keras archive" in _refusal(data)


def test_a_compression_bomb_is_refused() -> None:
    bomb = keras_archive(weights=bytes(2**24), compression=zipfile.ZIP_DEFLATED)

    assert len(bomb) < 2**16
    assert "out of proportion to its stored size" in _refusal(bomb)


def test_a_part_that_declares_a_huge_size_is_refused_before_it_is_read() -> None:
    data = bytearray(keras_archive(config=network()))
    # The uncompressed size stands at offset 24 of each entry of the archive's directory.
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 2**31)

    assert "out of proportion to its stored size" in _refusal(bytes(data))


def test_a_directory_entry_that_understates_its_part_is_refused() -> None:
    data = bytearray(keras_archive())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 3)

    assert "is not a sound .keras archive" in _refusal(bytes(data))


def test_an_encrypted_archive_is_refused() -> None:
    data = bytearray(keras_archive())
    data[data.index(b"PK\x01\x02") + 8] |= 1

    assert "is encrypted" in _refusal(bytes(data))


def test_an_unusual_compression_is_refused() -> None:
    assert "packed in an unusual way" in _refusal(keras_archive(compression=zipfile.ZIP_LZMA))


def test_a_lambda_layer_is_refused() -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}

    assert "'Lambda'" in _refusal(keras_archive(config=network(layer("Lambda", function=code))))


@pytest.mark.parametrize(
    "hostile",
    [
        layer("TFSMLayer", filepath="/tmp/elsewhere"),
        layer("TorchModuleWrapper"),
        layer("TimeDistributed", layer=layer("Lambda")),
        layer("Conv2D", module="os"),
        layer("Conv2D", module=None),
        layer("Conv2D", module="keras.src.saving.saving_lib"),
        layer("Adam", module="keras.optimizers"),
        layer("load_model", module="keras.saving"),
        layer("system", module="builtins"),
        {"class_name": "function", "module": "builtins", "config": "get_file"},
        {"class_name": "function", "module": "keras.utils", "config": "get_file"},
        {"class_name": "Dense", "config": {"units": 1}},
        {"class_name": ["Dense"], "module": "keras.layers", "config": {}},
        {"class_name": "Dense", "module": ["keras.layers"], "config": {}},
        {"class_name": "__tensor__", "config": {"value": [0], "dtype": "float32"}},
        {"class_name": "__numpy__", "config": {"value": [0], "dtype": "object"}},
        {"class_name": "__lambda__", "config": {"value": ""}},
        {"class_name": "__typespec__", "spec_name": "X", "module": "tensorflow", "config": []},
        {"class_name": "__keras_tensor__", "module": "keras.layers", "config": {}},
        {"registered_name": "package>Name"},
    ],
)
def test_what_is_not_a_listed_built_in_layer_is_refused(hostile: dict[str, Any]) -> None:
    assert "not one of the built-in Keras layers" in _refusal(
        keras_archive(config=network(hostile))
    )


def test_a_hostile_object_is_found_wherever_it_hides() -> None:
    hidden = layer("Dense", units=1, kernel_regularizer={"spare": [{"x": layer("Lambda")}]})

    assert "'Lambda'" in _refusal(keras_archive(config=network(hidden)))


@pytest.mark.parametrize("name", ["package>Conv2D", "Lambda", ["Conv2D"]])
def test_a_custom_object_under_a_listed_name_is_refused(name: object) -> None:
    custom = layer("Conv2D", filters=1) | {"registered_name": name}

    assert "custom object" in _refusal(keras_archive(config=network(custom)))


def test_the_training_setup_of_an_inner_network_is_refused() -> None:
    inner = network(compile_config={"optimizer": layer("Adam", module="keras.optimizers")})

    assert "'Adam'" in _refusal(keras_archive(config=network(inner)))


@pytest.mark.parametrize("config", [[], "text", 1, {"layers": []}, layer("Dense", units=1)])
def test_what_describes_no_network_is_refused(config: object) -> None:
    data = keras_archive(config=json.dumps(config).encode())

    assert "does not describe a Functional or Sequential network" in _refusal(data)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b"[" * 200_000, b'{"a":' * 200_000, b"9" * 10_000]
)
def test_a_description_that_is_not_plain_json_is_refused(text: bytes) -> None:
    assert "is not plain JSON" in _refusal(keras_archive(config=text))


def test_a_description_that_is_nested_too_deeply_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]

    assert "nested too deeply" in _refusal(keras_archive(config=network(layer("Dense", x=deep))))


def test_a_description_of_unlikely_length_is_refused() -> None:
    long = keras_archive(config=json.dumps(network(layer("Dense", x="x" * 2**23))).encode())

    assert "out of proportion" in _refusal(long)


def test_weights_are_inspected_too() -> None:
    linked = hdf5(lambda file: file.__setitem__("x", h5py.SoftLink("/layers")))

    assert "a link to somewhere else" in _refusal(keras_archive(weights=linked))
