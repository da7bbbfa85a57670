"""DICOM files for the fault bench: sound ones of many kinds, and small ones that ask for much."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.dicom_samples import data_set, stored_phantom, written
from tests.faults.exchange import PLANTED

_PREAMBLE = bytes(128) + b"DICM"
_GROUP_2 = struct.pack("<HH2sH", 2, 0x10, b"UI", 20)
_EXPLICIT = _PREAMBLE + _GROUP_2 + b"1.2.840.10008.1.2.1\0"
_DEFLATED = _PREAMBLE + struct.pack("<HH2sH", 2, 0x10, b"UI", 22) + b"1.2.840.10008.1.2.1.99"


def sound_dicom() -> list[tuple[str, bytes]]:
    """Small valid files of every transfer syntax, with names planted in their headers."""
    eight, deep, signed = (
        stored_phantom(8),
        stored_phantom(12),
        stored_phantom(12, signed=True),
    )
    names: dict[str, Any] = {
        "PatientName": PLANTED,
        "PatientID": PLANTED,
        "InstitutionName": PLANTED,
        "PatientComments": PLANTED,
    }
    window = {"WindowCenter": 1800, "WindowWidth": 3000}
    negative = {"PhotometricInterpretation": "MONOCHROME1"}
    kinds: list[tuple[str, Any, int, Any, dict[str, Any]]] = [
        ("implicit", deep, 12, ImplicitVRLittleEndian, window),
        ("explicit", deep, 12, ExplicitVRLittleEndian, negative),
        ("big endian", signed, 12, ExplicitVRBigEndian, {"RescaleSlope": 2, "RescaleIntercept": 1}),
        ("8 bits", eight, 8, ExplicitVRLittleEndian, {}),
        ("RLE", deep, 12, RLELossless, window),
        ("JPEG", eight, 8, JPEGBaseline8Bit, {}),
        ("JPEG of 12 bits", deep, 12, JPEGExtended12Bit, window),
        ("lossless JPEG", deep, 12, JPEGLosslessSV1, window),
        ("JPEG-LS", deep, 12, JPEGLSLossless, window),
        ("JPEG 2000", deep, 12, JPEG2000Lossless, window),
        ("JPEG 2000 signed", signed, 12, JPEG2000Lossless, {}),
    ]  # fmt: skip
    files = []
    for name, samples, bits, syntax, elements in kinds:
        dataset = data_set(samples, bits, **names, **elements)
        files.append((f"DICOM {name}", written(dataset, samples, syntax)))
    bare = dict(files)["DICOM implicit"]
    files.append(("DICOM without meta header", bare[bare.index(b"\x08\x00\x16\x00") :]))
    return files


def dicom_bombs(size: int) -> Iterator[tuple[str, bytes]]:
    """Files of about so many bytes at the most, all of which are refused."""
    for name, rows, columns in (("65,535 rows", 65_535, 65_535), ("a long row", 33, 65_535)):
        yield f"DICOM of {name}", _EXPLICIT + _header(rows, columns) + _pixels(bytes(size))
    yield (
        "DICOM of a billion frames",
        _EXPLICIT + _header(64, 64, frames=b"999999999 ") + _pixels(bytes(64 * 64 * 2)),
    )
    yield "DICOM of empty elements", _EXPLICIT + struct.pack("<HH2sH", 8, 1, b"UN", 0) * (size // 8)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    sequence = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    yield "DICOM nested deeply", _EXPLICIT + (sequence + item) * (size // 20)
    yield (
        "DICOM of items",
        _EXPLICIT + sequence + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * (size // 8),
    )
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    inflates = packer.compress(bytes(200_000_000)) + packer.flush()
    yield "DICOM that inflates", _DEFLATED + inflates
    run = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * (size // 2)
    for name, frame in (("RLE", run), ("lossless JPEG", _empty_jpeg(0xC3, 16))):
        dots = _EXPLICIT + _header(4000, 4000) + _encapsulated(frame)
        yield f"DICOM of {name} without pixels", dots
    yield (
        "DICOM of 12-bit JPEG without pixels",
        _EXPLICIT + _header(4000, 4000) + _encapsulated(_empty_jpeg(0xC1, 12)),
    )
    sizes = struct.pack(">HH8I", 41, 0, 4000, 4000, 0, 0, 4000, 4000, 0, 0)
    yield (
        "DICOM of JPEG 2000 without pixels",
        _EXPLICIT
        + _header(4000, 4000)
        + _encapsulated(b"\xff\x4f\xff\x51" + sizes + b"\x00\x01\x0f\x01\x01"),
    )


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _header(rows: int, columns: int, frames: bytes = b"1 ") -> bytes:
    words = {0x00280010: rows, 0x00280011: columns, 0x00280100: 16, 0x00280101: 16}
    return b"".join([
        _element(0x00280002, b"US", struct.pack("<H", 1)),
        _element(0x00280004, b"CS", b"MONOCHROME2 "),
        _element(0x00280008, b"IS", frames),
        *(_element(tag, b"US", struct.pack("<H", value)) for tag, value in words.items()),
    ])  # fmt: skip


def _pixels(value: bytes) -> bytes:
    return struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, len(value)) + value


def _encapsulated(frame: bytes) -> bytes:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    return (
        struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
        + item
        + struct.pack("<HHI", 0xFFFE, 0xE000, len(frame))
        + frame
        + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    )


def _empty_jpeg(kind: int, precision: int) -> bytes:
    """A frame of 4000 x 4000 samples, whose scan is empty."""
    frame = struct.pack(">BBHBHHBBBB", 0xFF, kind, 11, precision, 4000, 4000, 1, 1, 0x11, 0)
    table = b"".join(
        b"\xff\xc4" + struct.pack(">HB", 20, number) + b"\x01" + bytes(16) for number in (0, 16)
    )
    divisors = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes(np.ones(64, dtype=np.uint8))
    predictor = 1 if kind == 0xC3 else 0
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, predictor, 0, 0)
    return b"\xff\xd8" + divisors + frame + table + scan + b"\xff\xd9"
