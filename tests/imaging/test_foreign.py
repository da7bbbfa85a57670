"""A file that is not read is called what it is."""

import base64
import gzip
import io
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from service.i18n import texts
from service.imaging import UnsupportedFormatError, decode
from tests.phantom import phantom


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    phantom(1, (64, 64)).save(buffer, kind)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("film.png", encoded("PNG"))
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("film.png"))
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((64, 64)))
    return buffer.getvalue()


def media(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + bytes(64)


FILES = {
    "HEIC": media(b"heic", b"mif1", b"heic"),
    "HEIC ": media(b"mif1", b"heic"),
    "MP4": media(b"isom", b"iso2", b"mp41"),
    "QuickTime": media(b"qt  "),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
    "GIF": encoded("GIF"),
    "ZIP": zipped(),
    "gzip": gzip.compress(encoded("PNG")),
    "tar": tarred(),
    "web page": b"\n<!DOCTYPE html>\n<html><body>Log in</body></html>",
    "web page ": b"\xef\xbb\xbf<html lang='es'><head></head></html>",
    "SVG": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
    "XML": b"<?xml version='1.0'?><ClinicalDocument/>",
    "JPEG XL": b"\xff\x0a" + bytes(64),
    "JPEG XR": b"II\xbc\x01" + bytes(64),
    "QOI": b"qoif" + bytes(64),
    "Photoshop": b"8BPS\x00\x01" + bytes(64),
    "icon": encoded("ICO"),
    "Netpbm": encoded("PPM"),
    "NumPy": array(),
    "data: URL": b"data:image/png;base64," + base64.b64encode(encoded("PNG")),
    "Base64": base64.b64encode(encoded("PNG")),
    "JSON": b'{"file": "film.png"}',
    "text": b"C:\\Users\\rx\\film.png",
    "text ": "Radiografía de tórax".encode(),
    "text  ": "Radiografía".encode("utf-16"),
    "._": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X" + bytes(64),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_called_by_its_name_with_what_to_do(name: str) -> None:
    with pytest.raises(UnsupportedFormatError) as caught:
        decode(FILES[name])
    assert name.strip() in caught.value.message
    assert "which is not read here. " in caught.value.message
    assert "Send the radiograph as JPEG, PNG, " in caught.value.message


@pytest.mark.parametrize("data", [b"", b"\x00" * 200, bytes(range(256)), b"\xde\xad\xbe\xef" * 9])
def test_unknown_bytes_get_no_name(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError, match="not an image of a format that is read"):
        decode(data)


def test_a_letter_that_is_cut_is_still_text() -> None:
    with pytest.raises(UnsupportedFormatError, match="a text file"):
        decode(("ñ" * 2000).encode()[1:].lstrip(b"\xb1"))


def test_a_name_is_given_at_once_to_a_huge_file() -> None:
    with pytest.raises(UnsupportedFormatError, match="a text file"):
        decode(b"a line\n" * 5_000_000)


def test_a_multi_picture_photo_is_a_jpeg() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(phantom(1))).save(buffer, "MPO")
    assert decode(buffer.getvalue()).format == "JPEG"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("HEIC", "una foto HEIC"),
        ("GIF", "(como GIF o JPEG XL)"),
        ("JPEG XL", "(como GIF o JPEG XL)"),
        ("PDF", "documento"),
        ("web page", "una página web"),
        ("Photoshop", "otro programa"),
        ("Base64", "Decodifíquelo"),
        ("text", "Envíe el archivo de la imagen"),
    ],
)
def test_kinds_are_named_in_spanish_too(kind: str, said: str) -> None:
    with pytest.raises(UnsupportedFormatError) as refused:
        decode(FILES[kind])
    error = refused.value
    assert said in texts("es")["problems"][f"{error.code}.{error.text_key}"]
