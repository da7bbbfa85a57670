"""What was measured of the model at its threshold, as its manifest states it."""

from collections.abc import Mapping

from service.inference import Manifest


def operating_point(manifest: Manifest) -> dict[str, float]:
    """Find sensitivity and specificity of the ensemble, from 0 to 1.

    Returns:
        By name; without what the manifest does not state.
    """
    figures = manifest.metrics.figures.get("ensemble") if manifest.metrics else None
    found: dict[str, float] = {}
    for name in ("sensitivity", "specificity"):
        entry = figures.get(name) if isinstance(figures, Mapping) else None
        value = entry.get("value") if isinstance(entry, Mapping) else None
        if isinstance(value, (int, float)):
            found[name] = float(value)
    return found
