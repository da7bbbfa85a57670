"""Inspection of ``.keras`` archives: only plain networks of built-in layers pass."""

import json
import zipfile
from io import BytesIO
from typing import Any, Final

from service.inference.allowed import ALLOWED_CLASSES
from service.inference.errors import BundleError

CONFIG_FILE: Final = "config.json"
METADATA_FILE: Final = "metadata.json"
WEIGHTS_FILE: Final = "model.weights.h5"

MAX_MEMBER_BYTES: Final = 256 * 2**20
"""Largest ``.keras`` file and largest weights in it: 20 times the shipped ones, with room for the
old habit of one wide dense layer over a flattened image."""

_SIZE_LIMITS: Final = {
    CONFIG_FILE: 8 * 2**20,
    METADATA_FILE: 64 * 2**10,
    WEIGHTS_FILE: MAX_MEMBER_BYTES,
}
# Keras stores without compression. Recompressed JSON shrinks 20-fold, weights hardly at all.
_MAX_EXPANSION: Final = 100
_MAX_DEPTH: Final = 100
_ENCRYPTED_FLAG: Final = 0x1

_NETWORKS: Final = frozenset({"Functional", "Sequential"})


def inspect_archive(data: bytes, *, file: str) -> None:
    """Refuse a ``.keras`` archive that could do more than describe a network and its weights.

    Nothing of it is run: the archive's directory, the JSON and the structure of the weights are
    read. Keras' own safe mode stays on when the file is loaded; this list is the second lock.

    Args:
        data: The whole archive.
        file: Its name, for the message.

    Raises:
        BundleError: A member too many or too few, one that unpacks out of proportion, a layer
            that is not on the list of built-in ones, or weights that ``inspect_weights`` refuses.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            _check_directory(archive.infolist(), file)
            parts = {name: _unpack(archive, name) for name in _SIZE_LIMITS}
    except BundleError:
        raise
    except Exception as error:
        # zipfile and zlib report damage by half a dozen exception types.
        raise BundleError(f"The file {file} is not a sound .keras archive.") from error
    _check_config(_parse(parts[CONFIG_FILE], file), file)
    # It takes h5py, which comes with TensorFlow: who serves compiled graphs may have neither.
    from service.inference.weights import inspect_weights

    inspect_weights(parts[WEIGHTS_FILE], file=file)


def _check_directory(entries: list[zipfile.ZipInfo], file: str) -> None:
    names = sorted(entry.filename for entry in entries)
    if names != sorted(_SIZE_LIMITS):
        strange = next((name for name in names if name not in _SIZE_LIMITS), None)
        if strange is not None:
            raise BundleError(
                f"The archive {file} holds a part that no network needs: {strange[:80]!r}."
            )
        raise BundleError(f"The archive {file} lacks one of its three parts or holds one twice.")
    for entry in entries:
        if entry.flag_bits & _ENCRYPTED_FLAG:
            raise BundleError(f"The archive {file} is encrypted.")
        if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise BundleError(f"The archive {file} is packed in an unusual way.")
        if entry.file_size > _SIZE_LIMITS[entry.filename] or entry.file_size > _MAX_EXPANSION * max(
            entry.compress_size, 1
        ):
            raise BundleError(
                f"The part {entry.filename} of {file} would unpack to {entry.file_size} bytes, "
                "out of proportion to its stored size."
            )


def _unpack(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as part:
        # zipfile stops at the size that the directory declares, which was checked.
        return part.read()


def _parse(text: bytes, file: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"The network description in {file} is not plain JSON.") from error


def _check_config(config: object, file: str) -> None:
    if not (isinstance(config, dict) and str(config.get("class_name")) in _NETWORKS):
        raise BundleError(f"The file {file} does not describe a Functional or Sequential network.")
    # Keras drops the outermost compile_config, because it is told not to compile. An inner one
    # would be acted on, so that is looked at like everything else.
    outermost = {key: value for key, value in config.items() if key != "compile_config"}
    # A stack of our own instead of recursion: the depth of the file is not ours to trust.
    pending: list[tuple[Any, int]] = [(outermost, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise BundleError(f"The network description in {file} is nested too deeply.")
        if isinstance(node, dict):
            _check_object(node, file)
            pending.extend((value, depth + 1) for value in node.values())
        elif isinstance(node, list):
            pending.extend((value, depth + 1) for value in node)


def _check_object(node: dict[str, Any], file: str) -> None:
    """Check the module, class and registered name that Keras would look up and call."""
    if not {"class_name", "module", "registered_name", "spec_name"} & node.keys():
        return
    class_name, module = node.get("class_name"), node.get("module")
    if class_name == "__keras_tensor__" and module is None:
        return
    # As text, because a hostile file may hold a list where a name belongs.
    if str(class_name) not in ALLOWED_CLASSES.get(str(module), frozenset()):
        raise BundleError(
            f"The file {file} uses {str(class_name)[:80]!r}, which is not one of the built-in "
            "Keras layers that are allowed here."
        )
    registered_name = node.get("registered_name")
    if registered_name is not None and registered_name != class_name:
        raise BundleError(
            f"The file {file} uses the custom object {str(registered_name)[:80]!r}; "
            "only built-in Keras layers are allowed here."
        )
