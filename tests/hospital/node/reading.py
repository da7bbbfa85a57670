"""Reads metrics."""

import re

from service.hospital.node.metrics import NodeMetrics


def value(metrics: NodeMetrics, name: str, **labels: str) -> float:
    """The value of a series."""
    text = metrics.service.render().decode()
    wanted = ",".join(f'{key}="{each}"' for key, each in labels.items())
    head = f"{name}{{{wanted}}}" if wanted else name
    found = re.search(rf"^{re.escape(head)} (\S+)$", text, flags=re.MULTILINE)
    assert found, head
    return float(found[1])
