"""The arithmetic of a run: what its recipe asks for, if this machine is any good at it."""

from pathlib import Path
from typing import Final

import keras

from service.inference.engines.processor import CPUINFO, has_one_of

_BFLOAT16_FLAGS: Final = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""Processors that multiply 16-bit numbers. Others do it in software: an epoch took nine times as
long as one in 32 bits, and longer."""


def policy_of(precision: str, cpuinfo: Path = CPUINFO) -> str:
    """Keras' name of the arithmetic to train in.

    Weights are kept in 32 bits either way, and the member that comes of it computes in 32 bits.

    Args:
        precision: What the recipe asks for.
        cpuinfo: Where Linux describes the processor.

    Returns:
        ``precision``, or ``float32`` where 16 bits would be done in software.
    """
    if precision == "float32" or _on_accelerator() or has_one_of(_BFLOAT16_FLAGS, cpuinfo):
        return precision
    return "float32"


def _on_accelerator() -> bool:
    if keras.backend.backend() != "tensorflow":
        return True  # the other backends are for accelerators
    import tensorflow as tf  # noqa: PLC0415

    return bool(tf.config.list_physical_devices("GPU"))
