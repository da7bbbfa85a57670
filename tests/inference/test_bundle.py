"""A models folder opens only when every file in it is what it claims to be."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.imaging import InputSpec
from service.inference import (
    Agreement,
    BundleError,
    Compiled,
    Quantised,
    describe_members,
    file_sha256,
    open_bundle,
)
from service.inference import bundle as bundle_module
from service.inference.entries import Graph
from tests.inference.crafted import FILES, keras_archive, write_bundle
from tests.tiny_bundle import FILES as ORIGINAL_FILES

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return write_bundle(tmp_path)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    for file in ORIGINAL_FILES:
        (tmp_path / file).write_bytes(keras_archive())
    return tmp_path


def _refusal(directory: Path) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(directory)
    assert str(directory) not in caught.value.message
    return caught.value.message


def test_a_sound_folder_opens(models: Path) -> None:
    bundle = open_bundle(models)

    assert bundle.provenance == "manifest"
    assert bundle.directory == models
    assert [member.file for member in bundle.manifest.members] == list(FILES)


def test_the_digest_is_that_of_the_manifest_file(models: Path) -> None:
    assert open_bundle(models).digest == f"sha256:{file_sha256(models / 'ensemble.json')}"


def test_the_contents_are_the_bytes_that_were_verified(models: Path) -> None:
    bundle = open_bundle(models)
    (models / FILES[0]).write_bytes(b"altered since")

    assert (
        hashlib.sha256(bundle.contents[FILES[0]]).hexdigest() == bundle.manifest.members[0].sha256
    )
    assert dict(bundle.without_contents().contents) == {}
    assert bundle.without_contents() == bundle


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_byte_in_a_network_is_refused(models: Path, file: str) -> None:
    data = bytearray((models / file).read_bytes())
    data[len(data) // 2] ^= 1
    (models / file).write_bytes(data)

    assert _refusal(models) == (
        f"The file {file} is not the one that the manifest describes: its digest differs."
    )


def test_any_flipped_bit_in_the_manifest_is_refused_or_changes_the_digest(models: Path) -> None:
    path = models / "ensemble.json"
    sound, before = path.read_bytes(), open_bundle(models).digest
    for position in range(0, len(sound), 7):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 4]) + sound[position + 1 :])
        assert _digest_or_refusal(models) != before


def _digest_or_refusal(directory: Path) -> str:
    try:
        return open_bundle(directory).digest
    except BundleError as error:
        return error.message


@pytest.mark.parametrize("file", FILES)
def test_a_missing_network_is_named(models: Path, file: str) -> None:
    (models / file).unlink()

    assert _refusal(models) == f"The bundle lacks the file {file}."


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in _refusal(tmp_path / "nowhere")


def test_a_manifest_that_cannot_be_understood_is_refused(models: Path) -> None:
    (models / "ensemble.json").write_text("{}")

    assert _refusal(models) == "The manifest's field name is missing."


def test_an_overlong_manifest_is_refused(models: Path) -> None:
    with (models / "ensemble.json").open("a") as file:
        file.write(" " * 2**21)

    assert "ensemble.json has more than 1048576 bytes" in _refusal(models)


def test_an_overlong_network_is_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_module, "MAX_MEMBER_BYTES", 100)

    assert "first.keras has more than 100 bytes" in _refusal(models)


def test_a_file_that_grows_while_it_is_read_is_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = os.fstat

    def shorter(descriptor: int) -> os.stat_result:
        fields = list(honest(descriptor))
        fields[6] = 10
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", shorter)

    assert "ensemble.json changed while it was read" in _refusal(models)


def _replace_by_pipe(path: Path) -> None:
    os.mkfifo(path)


def _replace_by_folder(path: Path) -> None:
    path.mkdir()


def _replace_by_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def _replace_by_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("file", ["ensemble.json", FILES[1]])
@pytest.mark.parametrize(
    "replace",
    [_replace_by_pipe, _replace_by_folder, _replace_by_link_to_nowhere, _replace_by_link_to_itself],
)
def test_what_is_not_a_regular_file_is_refused(
    models: Path, file: str, replace: Callable[[Path], None]
) -> None:
    (models / file).unlink()
    replace(models / file)

    assert file in _refusal(models)


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    """Orchestrators mount folders whose files are links."""
    data = tmp_path / "data"
    data.mkdir()
    write_bundle(data)
    mounted = tmp_path / "models"
    mounted.mkdir()
    for file in data.iterdir():
        (mounted / file.name).symlink_to(file)

    assert open_bundle(mounted).digest == open_bundle(data).digest


def test_a_compiled_graph_is_verified_when_it_is_there(tmp_path: Path) -> None:
    graph = b"a graph"
    sha256 = hashlib.sha256(graph).hexdigest()
    write_bundle(tmp_path, compiled=Compiled(file="ensemble.onnx", sha256=sha256, sources={}))

    assert "ensemble.onnx" not in open_bundle(tmp_path).contents

    (tmp_path / "ensemble.onnx").write_bytes(graph)
    assert open_bundle(tmp_path).contents["ensemble.onnx"] == graph

    (tmp_path / "ensemble.onnx").write_bytes(b"another graph")
    assert "The file ensemble.onnx is not the one that the manifest describes" in _refusal(tmp_path)


def test_all_compiled_graphs_are_verified(tmp_path: Path) -> None:
    graphs = {
        "ensemble.onnx": b"a graph",
        "ensemble.int8.onnx": b"a smaller one",
        "second.onnx": b"of the next network",
    }
    sha256 = {file: hashlib.sha256(graph).hexdigest() for file, graph in graphs.items()}
    compared = Agreement(images=600, largest_difference=0.05, verdicts_changed=1, auc_loss=0.0)
    int8 = Quantised(
        file="ensemble.int8.onnx",
        sha256=sha256["ensemble.int8.onnx"],
        agreement=compared,
        golden=(),
    )
    write_bundle(
        tmp_path,
        compiled=Compiled(
            file="ensemble.onnx",
            sha256=sha256["ensemble.onnx"],
            further=(Graph(file="second.onnx", sha256=sha256["second.onnx"]),),
            sources={},
            int8=int8,
        ),
    )
    for file, graph in graphs.items():
        (tmp_path / file).write_bytes(graph)

    contents = open_bundle(tmp_path).contents
    assert {file: contents[file] for file in graphs} == graphs

    for file in ("ensemble.int8.onnx", "second.onnx"):
        (tmp_path / file).write_bytes(b"another graph")
        assert f"{file} is not the one that the manifest describes" in _refusal(tmp_path)
        (tmp_path / file).write_bytes(graphs[file])


def test_a_folder_of_the_two_original_files_needs_no_manifest(original: Path) -> None:
    (original / "NOTES.txt").write_text("other files do not matter")

    bundle = open_bundle(original)

    assert bundle.provenance == "bring-your-own"
    manifest = bundle.manifest
    assert manifest.input == InputSpec(256, 256, 1, 1 / 255, "bicubic")
    assert [member.file for member in manifest.members] == list(ORIGINAL_FILES)
    assert (manifest.combine, manifest.calibration.method) == ("mean", "none")
    assert (manifest.threshold.value, manifest.threshold.rule) == (
        0.5,
        "> 0.5, as the original script",
    )
    assert (manifest.labels.negative, manifest.labels.positive) == ("NORMAL", "PNEUMONIA")


def test_the_digest_without_a_manifest_is_that_of_a_checksum_listing(original: Path) -> None:
    listing = "".join(f"{file_sha256(original / file)}  {file}\n" for file in ORIGINAL_FILES)

    assert open_bundle(original).digest == f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}"


@pytest.mark.parametrize("file", ORIGINAL_FILES)
def test_a_folder_with_one_of_the_original_files_says_which_is_missing(
    original: Path, file: str
) -> None:
    (original / file).unlink()

    message = _refusal(original)

    assert message.endswith(f"missing: {file}.")


def test_an_empty_folder_says_what_it_needs(tmp_path: Path) -> None:
    assert "holds no ensemble.json" in _refusal(tmp_path)


def test_members_are_described_by_their_digests(models: Path) -> None:
    entries = describe_members(models, {"a": FILES[0], "b": FILES[1]})

    assert [entry.name for entry in entries] == ["a", "b"]
    assert entries[0].sha256 == hashlib.sha256((models / FILES[0]).read_bytes()).hexdigest()


def test_a_manifest_cannot_reach_outside_its_folder(models: Path) -> None:
    secret = models.parent / "secret.keras"
    secret.write_bytes(keras_archive())
    content = json.loads((models / "ensemble.json").read_text())
    content["members"][0] |= {"file": "../secret.keras", "sha256": file_sha256(secret)}
    (models / "ensemble.json").write_text(json.dumps(content))

    assert _refusal(models) == (
        "The manifest's field members.0.file has a form that is not allowed."
    )


def test_verifying_a_bundle_loads_neither_tensorflow_nor_h5py(models: Path) -> None:
    program = (
        "import sys, pathlib, service.inference as inference\n"
        f"inference.open_bundle(pathlib.Path({str(models)!r}))\n"
        "assert not {'tensorflow', 'keras', 'h5py'} & sys.modules.keys()\n"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=_ROOT)
