import re

from service.hospital.node.metrics import NodeMetrics
from tests.serving import ROOT


def test_the_manuals_list_every_metric_of_the_node(metrics: NodeMetrics) -> None:
    text = metrics.service.render().decode()
    names = set(re.findall(r"^(xray_dicom_\w+?)(?:\{| )", text, flags=re.MULTILINE))
    assert len(names) >= 8
    for page in ("operating.md", "operacion.md"):
        manual = (ROOT / "docs" / page).read_text(encoding="utf-8")
        listed = set(re.findall(r"`(xray_dicom_\w+)`", manual))
        assert listed == names
