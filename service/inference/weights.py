"""Inspection of the HDF5 weights of a network: plain arrays inside the file, and nothing else."""

from io import BytesIO
from typing import Any, Final

import h5py

from service.inference.errors import BundleError

_MAX_OBJECTS: Final = 100_000
_NUMBER_KINDS: Final = frozenset("biuf")
_PLAIN_LAYOUTS: Final = frozenset({h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS})


def inspect_weights(data: bytes, *, file: str) -> None:
    """Refuse weights that reach outside their file or claim more numbers than they hold.

    Args:
        data: The whole HDF5 file.
        file: Name of the archive it came from, for the message.

    Raises:
        BundleError: Not HDF5; a soft or external link; external, virtual, chunked or compressed
            storage; values that are not plain numbers; or sizes that the file cannot hold.
    """
    try:
        with h5py.File(BytesIO(data), mode="r") as weights:
            declared = _walk(weights, file)
    except BundleError:
        raise
    except Exception as error:
        # The HDF5 library reports damage by half a dozen exception types.
        raise BundleError(f"The weights in {file} are damaged.") from error
    if declared > len(data):
        raise BundleError(f"The weights in {file} claim more numbers than the file holds.")


def _walk(root: Any, file: str) -> int:
    """Look at every object of the file and add up the bytes that its arrays claim."""
    declared = 0
    pending = [root]
    seen = {_address(root)}
    while pending:
        group = pending.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise BundleError(f"The weights in {file} hold a link to somewhere else.")
            found = group[name]
            address = _address(found)
            if address in seen or len(seen) >= _MAX_OBJECTS:
                raise BundleError(f"The weights in {file} are not a plain tree of arrays.")
            seen.add(address)
            if isinstance(found, h5py.Group):
                pending.append(found)
            elif isinstance(found, h5py.Dataset):
                declared += _check_array(found, file)
            else:
                raise BundleError(f"The weights in {file} hold something other than arrays.")
    return declared


def _check_array(array: Any, file: str) -> int:
    if array.external or array.is_virtual:
        raise BundleError(f"The weights in {file} keep values in another file.")
    if array.dtype.kind not in _NUMBER_KINDS:
        raise BundleError(f"The weights in {file} hold values that are not plain numbers.")
    # Keras writes each array whole and uncompressed. Anything else is where a few bytes can claim
    # a huge shape, and an array that was never written has a storage size of 0.
    plain = array.id.get_create_plist().get_layout() in _PLAIN_LAYOUTS
    if not plain or array.id.get_storage_size() != array.nbytes:
        raise BundleError(f"The weights in {file} claim more numbers than the file holds.")
    return int(array.nbytes)


def _address(found: Any) -> int:
    return int(h5py.h5o.get_info(found.id).addr)
