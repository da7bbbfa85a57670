"""The machine of the measurement: enough to judge the figures, nothing that identifies it."""

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from service.inference.engines.processor import has_one_of

_ARITHMETIC = {"avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX VNNI", "avx2": "AVX2"}
"""Names of instruction sets by Linux' flags for them, the fastest first."""

PACKAGES = (
    "fastapi",
    "keras",
    "numpy",
    "onnxruntime",
    "pillow",
    "tensorflow-cpu",
    "tensorflow",
    "uvicorn",
)


def describe() -> list[str]:
    """Lines for processor and memory, system and Python, libraries, and the load at the start."""
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return [
        f"{_processor()}{_arithmetic()}, {os.cpu_count()} cores, {memory:.0f} GiB of memory",
        f"{system}; Python {sys.version.split()[0]}",
        ", ".join(_versions(PACKAGES)),
        f"load average at the start (1 minute): {os.getloadavg()[0]:.2f}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _arithmetic() -> str:
    """The best known that the processor has for networks in 8 bits, which decides their speed."""
    found = (name for flag, name in _ARITHMETIC.items() if has_one_of(frozenset({flag})))
    return next((f" with {name}" for name in found), "")


def _versions(packages: Iterable[str]) -> Iterable[str]:
    for name in packages:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
