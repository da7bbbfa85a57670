"""A run computes in 16 bits only where the processor does."""

from pathlib import Path

import pytest

from training.arithmetic import policy_of

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("flags\t\t: avx2 avx512_bf16\n", "mixed_bfloat16"),
        ("flags\t\t: avx2 amx_bf16\n", "mixed_bfloat16"),
        ("Features\t: asimd bf16\n", "mixed_bfloat16"),
        ("flags\t\t: avx2 fma\n", "float32"),
        ("Features\t: asimd\n", "float32"),
        ("", "float32"),
    ],
)
def test_sixteen_bits_where_the_processor_has_them(tmp_path: Path, text: str, policy: str) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert policy_of("mixed_bfloat16", cpuinfo) == policy
    assert policy_of("float32", cpuinfo) == "float32"


def test_another_backend_gets_what_the_recipe_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    assert policy_of("mixed_bfloat16", tmp_path / "nowhere") == "mixed_bfloat16"


def test_an_accelerator_gets_what_the_recipe_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda _: ["GPU:0"])
    assert policy_of("mixed_bfloat16", tmp_path / "nowhere") == "mixed_bfloat16"
