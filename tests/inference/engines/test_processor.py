"""8 bits are taken only on processors where they were measured to be faster."""

from pathlib import Path

import pytest

from service.inference.engines.processor import favours_int8


@pytest.mark.parametrize(
    ("text", "favoured"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni\n", True),
        ("flags : fpu avx2\n\nflags : fpu avx2\n", True),
        ("flags : fpu avx2\n\nflags : fpu avx\n", False),
        ("flags : fpu sse4_2 avx\n", False),
        ("Features : fp asimd asimddp\n", False),
        ("", False),
    ],
    ids=["vnni", "avx2", "one-core-without", "without", "arm", "empty"],
)
def test_the_processor_must_have_been_measured(tmp_path: Path, text: str, favoured: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)

    assert favours_int8(cpuinfo) is favoured


def test_a_system_that_does_not_tell_gets_32_bits(tmp_path: Path) -> None:
    assert not favours_int8(tmp_path / "nowhere")
