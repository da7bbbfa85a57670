"""Files that are small and ask for much: pixels, frames, passes, text, directories."""

import functools
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.faults.corpus import encoded
from tests.phantom import phantom

MB = 1_000_000
_MOST_INFLATED = 200 * MB

SOUND_WITHIN = frozenset(
    {
        "PNG with text that inflates",
        "PNG with international text that inflates",
        "PNG with profile that inflates",
        "PNG with EXIF that multiplies",
        "PNG with empty chunks",
        "JPEG of EXIF blocks",
    }
)
"""Bombs around sound pixels: these may be read, for nothing but the pixels is."""
_PNG_START = 33  # signature and header


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk with its check sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(
    width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0
) -> bytes:
    """Signature and header of a PNG."""
    body = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", body)


def bmp_header(width: int, height: int, *, compression: int = 0) -> bytes:
    """Header and palette of an 8-bit BMP."""
    palette = bytes(1024)
    head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 1078)
    return (
        head
        + struct.pack("<IIIHHIIIIII", 40, width, height, 1, 8, compression, 0, 0, 0, 256, 0)
        + palette
    )


def tiff(
    entries: dict[int, tuple[int, int, int]], before: bytes = b"", following: int = 0
) -> bytes:
    """A little-endian TIFF of one directory: tag to type, count and value; data from byte 8 on."""
    directory = struct.pack("<H", len(entries))
    for tag, (kind, count, value) in sorted(entries.items()):
        directory += struct.pack("<HHII", tag, kind, count, value)
    return (
        b"II*\x00"
        + struct.pack("<I", 8 + len(before))
        + before
        + directory
        + struct.pack("<I", following)
    )


def grey_tiff(
    width: int, height: int, **extra: tuple[int, int, int]
) -> dict[int, tuple[int, int, int]]:
    """Entries of an 8-bit greyscale TIFF in one strip at byte 8."""
    entries = {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1),
        273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, width * height % 2**32),
    }  # fmt: skip
    return entries | {int(tag.removeprefix("t")): entry for tag, entry in extra.items()}


def exif_bomb(size: int) -> bytes:
    """60,000 entries, each of which holds the whole block."""
    entries = b"".join(struct.pack("<HHII", tag, 7, size, 8) for tag in range(1, 60_001))
    return (
        b"II*\x00" + struct.pack("<I", 8 + size) + bytes(size) + struct.pack("<H", 60_000) + entries
    )


def bombs(*, size: int = 4 * MB) -> Iterator[tuple[str, bytes]]:
    """One of each kind; ``size`` is roughly that of the larger ones, in bytes."""
    yield from _huge_headers()
    yield from _many_frames()
    yield from _png_chunks(size)
    yield from _jpeg_segments(size)
    yield from _tiff_directories(size)
    yield from _avif_boxes(size)
    riff = b"RIFF" + struct.pack("<I", 4 + size) + b"WEBP" + b"JUNK\x00\x00\x00\x00" * (size // 8)
    yield "WebP of empty chunks", riff
    yield "BMP of endless runs", bmp_header(1400, 1400, compression=1) + b"\x00\x00" * (size // 2)


def heavy_png() -> bytes:
    """A valid picture of the most pixels and of the deepest type: the most work accepted."""
    width, height = 5200, 5000
    row = b"\x04" + bytes(index * 7 & 0xFF for index in range(8 * width))
    squeeze = zlib.compressobj(1)
    data = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    return png_header(width, height, 16, 6) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


@functools.cache
def _inflating(size: int) -> bytes:
    return zlib.compress(bytes(min(size, _MOST_INFLATED)), 9)


def _huge_headers() -> Iterator[tuple[str, bytes]]:
    for width, height in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (1, 30_000_000)):
        idat = png_chunk(b"IDAT", zlib.compress(bytes(100)))
        yield f"PNG {width}x{height}", png_header(width, height) + idat
        yield f"BMP {width}x{height}", bmp_header(width, height) + bytes(100)
        yield f"TIFF {width}x{height}", tiff(grey_tiff(width, height), bytes(100))
    canvas = b"\x00\x00\x00\x00" + b"\xff\xff\xff" * 2
    lossless = b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(95)
    for name, kind, body in (("extended", b"VP8X", canvas), ("lossless", b"VP8L", lossless)):
        chunk = kind + struct.pack("<I", len(body)) + body
        yield f"WebP {name}, huge", b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    jpeg = bytearray(encoded(phantom(2, (64, 64)), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    yield "JPEG 65535x65535", bytes(jpeg)


def _many_frames() -> Iterator[tuple[str, bytes]]:
    frames = [Image.new("L", (40, 40), shade % 256) for shade in range(1000)]
    for kind in ("PNG", "WEBP", "TIFF"):
        options = {"save_all": True, "append_images": frames[1:]}
        yield f"{kind} of 1,000 frames", encoded(frames[0], kind, **options)


def _png_chunks(size: int) -> Iterator[tuple[str, bytes]]:
    sound = encoded(phantom(3, (64, 64)), "PNG")
    zipped = _inflating(50 * size)
    texts = png_chunk(b"zTXt", b"a\x00\x00" + zipped) * 30
    inserted = {
        "text that inflates": texts,
        "international text that inflates": png_chunk(b"iTXt", b"a\x00\x01\x00\x00\x00" + zipped),
        "profile that inflates": png_chunk(b"iCCP", b"a\x00\x00" + zipped),
        "EXIF that multiplies": png_chunk(b"eXIf", exif_bomb(size)),
        "empty chunks": png_chunk(b"IDAT", b"") * (size // 12),
    }
    for name, chunks in inserted.items():
        yield f"PNG with {name}", sound[:_PNG_START] + chunks + sound[_PNG_START:]
    pixels = png_chunk(b"IDAT", zipped)
    yield "PNG whose pixels go on", png_header(64, 64) + pixels + png_chunk(b"IEND", b"")


def _jpeg_segments(size: int) -> Iterator[tuple[str, bytes]]:
    sound = encoded(phantom(4, (1200, 1000)), "JPEG", progressive=True)
    start = [found.start() for found in re.finditer(b"\xff\xda", sound)][-1]
    [length] = struct.unpack_from(">H", sound, start + 2)
    header = sound[start : start + 2 + length]
    yield "JPEG of 5,000 scans", sound[:-2] + header * 5000 + sound[-2:]
    yield "JPEG of empty comments", sound[:2] + b"\xff\xfe\x00\x02" * (size // 4) + sound[2:]
    yield "JPEG of fill bytes", sound[:2] + b"\xff" * size
    exif = b"Exif\x00\x00" + bytes(65_000)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    yield "JPEG of EXIF blocks", sound[:2] + segment * (size // 65_000) + sound[2:]


def _avif_boxes(size: int) -> Iterator[tuple[str, bytes]]:
    sound = encoded(phantom(6, (64, 64)), "AVIF", speed=10)
    start = sound[: sound.index(b"meta") - 4]
    sides = sound.index(b"ispe") + 8
    announced = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    yield "AVIF of a huge size", sound[:sides] + announced + sound[sides + 8 :]
    yield "AVIF of empty boxes", start + b"\x00\x00\x00\x08free" * (size // 8) + sound[len(start) :]
    # The length of the picture's bytes, of which the units come first.
    at = sound.index(b"mdat") + 4
    units = b"\x12\x00" * (size // 2)
    places = sound.index(b"iloc") + 22
    [length] = struct.unpack_from(">I", sound, places)
    longer = struct.pack(">I", length + len(units))
    whole = sound[:places] + longer + sound[places + 4 : at - 8]
    yield (
        "AVIF of empty units",
        whole + struct.pack(">I", 8 + length + len(units)) + b"mdat" + (units + sound[at:]),
    )


def _tiff_directories(size: int) -> Iterator[tuple[str, bytes]]:
    pixels = phantom(5, (64, 64)).tobytes()
    entries = grey_tiff(64, 64)
    yield "TIFF whose directory follows itself", tiff(entries, pixels, 8 + len(pixels))
    yield "TIFF whose directory lies beyond it", tiff(entries, pixels, 2**32 - 2)
    many = dict.fromkeys(range(40000, 65000), (7, size, 8)) | entries
    yield "TIFF whose entries multiply", tiff(many, pixels + bytes(size))
    zipped = _inflating(50 * size)
    tiles = {322: (4, 1, 60_000), 323: (4, 1, 60_000), 324: (4, 1, 8), 325: (4, 1, len(zipped))}
    tiled = {tag: entry for tag, entry in entries.items() if tag not in {273, 278, 279}} | tiles
    yield "TIFF of one huge tile", tiff(tiled | {259: (3, 1, 8)}, zipped)
    strips = 2000
    places = struct.pack(f"<{strips}I", *[8] * strips)
    sizes = struct.pack(f"<{strips}I", *[size] * strips)
    overlapping = grey_tiff(2000, strips) | {
        259: (3, 1, 32773), 278: (4, 1, 1),
        273: (4, strips, 8 + size), 279: (4, strips, 8 + size + 4 * strips),
    }  # fmt: skip
    yield "TIFF of overlapping strips", tiff(overlapping, bytes(size) + places + sizes)
