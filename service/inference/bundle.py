"""A models folder, opened only when every file in it is what it claims to be."""

import dataclasses
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal

from service.imaging import InputSpec
from service.inference.archive import MAX_MEMBER_BYTES
from service.inference.errors import BundleError
from service.inference.manifest import MANIFEST_FILE, Manifest, MemberEntry, Threshold

__all__ = ["Bundle", "BundleError", "describe_members", "file_sha256", "open_bundle"]

ORIGINAL_FILES: Final = ("modelo_afinado_tuning.keras", "modelo_2_ensamble.keras")
"""The two networks of a folder without a manifest, in the order of their scores."""

_MAX_MANIFEST_BYTES: Final = 2**20
_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True)
class Bundle:
    """A verified models folder.

    Attributes:
        directory: The folder.
        manifest: What it holds; for a folder without a manifest, what the predecessor did.
        digest: ``sha256:`` and the digest of the manifest's bytes, which in turn hold the digests
            of all files. Without a manifest, that of the lines ``sha256sum`` prints for the two
            networks.
        provenance: Whether the folder said what it holds.
        contents: The verified bytes of each file, so that what is loaded is what was checked,
            whatever happens to the folder meanwhile. Empty once an engine has loaded them.
    """

    directory: Path
    manifest: Manifest
    digest: str
    provenance: Literal["manifest", "bring-your-own"]
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def without_contents(self) -> "Bundle":
        """Let go of the files' bytes."""
        return dataclasses.replace(self, contents={})


def open_bundle(directory: Path) -> Bundle:
    """Read a models folder and verify all of it before anything in it is loaded.

    Each file is read once, and its digest must be the manifest's. What a ``.keras`` archive holds
    is looked at by the engine that loads it; a compiled graph is served without that.

    Raises:
        BundleError: A file is missing, unreadable, too large, altered or not allowed.
    """
    if not directory.is_dir():
        raise BundleError("The models folder does not exist or cannot be read.")
    # Even a broken link of that name means a manifest was intended: no fall back to defaults.
    if os.path.lexists(directory / MANIFEST_FILE):
        return _open_described(directory)
    return _open_original(directory)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def describe_members(directory: Path, files: Mapping[str, str]) -> tuple[MemberEntry, ...]:
    """Make the manifest's entries for networks in a folder.

    Args:
        directory: Where the networks lie.
        files: The name of each member and of its file, in the order of the scores.
    """
    return tuple(
        MemberEntry(name=name, file=file, sha256=file_sha256(directory / file))
        for name, file in files.items()
    )


def _open_described(directory: Path) -> Bundle:
    text, digest = _read(directory, MANIFEST_FILE, limit=_MAX_MANIFEST_BYTES)
    manifest = Manifest.from_json(text)
    lungs = manifest.lungs
    expected = {member.file: member.sha256 for member in manifest.members}
    expected |= {lungs.file: lungs.sha256} if lungs else {}
    suitability = manifest.suitability
    expected |= {suitability.file: suitability.sha256} if suitability else {}
    # A bundle may travel without its compiled graphs; one that is there must be the right one.
    graphs = manifest.compiled.every_graph if manifest.compiled else ()
    graphs += lungs.compiled.every_graph if lungs and lungs.compiled else ()
    expected |= {g.file: g.sha256 for g in graphs if os.path.lexists(directory / g.file)}
    contents = {}
    for file, sha256 in expected.items():
        contents[file], found = _read(directory, file, limit=MAX_MEMBER_BYTES)
        if found != sha256:
            raise BundleError(
                f"The file {file} is not the one that the manifest describes: its digest differs."
            )
    return Bundle(directory, manifest, f"sha256:{digest}", "manifest", contents)


def _open_original(directory: Path) -> Bundle:
    missing = [file for file in ORIGINAL_FILES if not os.path.lexists(directory / file)]
    if missing:
        raise BundleError(
            f"The models folder holds no {MANIFEST_FILE}, and without one it needs "
            f"{ORIGINAL_FILES[0]} and {ORIGINAL_FILES[1]}; missing: {', '.join(missing)}."
        )
    contents, members, listing = {}, [], ""
    for file in ORIGINAL_FILES:
        contents[file], found = _read(directory, file, limit=MAX_MEMBER_BYTES)
        members.append(MemberEntry(name=Path(file).stem, file=file, sha256=found))
        listing += f"{found}  {file}\n"
    manifest = Manifest(
        name="bring-your-own",
        version="unversioned",
        input=InputSpec(),
        members=tuple(members),
        combine="mean",
        threshold=Threshold(value=0.5, rule="> 0.5, as the original script"),
    )
    digest = hashlib.sha256(listing.encode()).hexdigest()
    return Bundle(directory, manifest, f"sha256:{digest}", "bring-your-own", contents)


def _read(directory: Path, name: str, *, limit: int) -> tuple[bytes, str]:
    """Read a regular file of at most ``limit`` bytes once; give its bytes and their digest."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
        descriptor = os.open(directory / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - it has no Path
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"The bundle's {name} is not a regular file.")
            if status.st_size > limit:
                raise BundleError(f"The file {name} has more than {limit} bytes.")
            data = file.read(status.st_size + 1)
    except FileNotFoundError as error:
        raise BundleError(f"The bundle lacks the file {name}.") from error
    except OSError as error:
        raise BundleError(f"The file {name} cannot be read.") from error
    if len(data) != status.st_size:
        raise BundleError(f"The file {name} changed while it was read.")
    return data, hashlib.sha256(data).hexdigest()


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk
