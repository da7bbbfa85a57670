"""The manifests fit the schemas of Kubernetes, and their parts fit each other."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import __version__
from tests.serving import ROOT

KUBERNETES = ROOT / "deploy/kubernetes"
BASE = sorted((KUBERNETES / "base").glob("*.yaml"))
OVERLAYS = sorted(path.parent for path in (KUBERNETES / "overlays").glob("*/kustomization.yaml"))
OLDEST_KUBERNETES = "1.27"  # autoscaling/v2 and policy/v1 are older than all that is still run
OF_KUSTOMIZE = {"Component", "Kustomization"}
CUSTOM = {"ServiceMonitor"}  # the Prometheus operator's: its schema comes with the cluster


def _has_kustomize() -> bool:
    if shutil.which("kubectl") is None:
        return False
    asked = ["kubectl", "version", "--client", "--output=json"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return "kustomizeVersion" in told  # Debian 12's is too old for it


needs_kubectl = pytest.mark.skipif(not _has_kustomize(), reason="no kubectl of 1.24 or later")


def built(folder: Path) -> list[Any]:
    done = subprocess.run(
        ["kubectl", "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def assert_valid(manifests: Sequence[Any]) -> None:
    """Each version's schema is strict: a field that it does not know is an error."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    ours = [each for each in manifests if each["kind"] not in CUSTOM | OF_KUSTOMIZE]
    assert ours
    for version in (OLDEST_KUBERNETES, kubernetes_validate.latest_version()):
        for manifest in ours:
            kubernetes_validate.validate(manifest, version, strict=True)


def of_kind(manifests: Sequence[Any], kind: str) -> Any:
    [found] = [each for each in manifests if each["kind"] == kind]
    return found


def test_the_base_is_valid() -> None:
    assert_valid([yaml.safe_load(path.read_text(encoding="utf-8")) for path in BASE])


def test_its_parts_fit_each_other() -> None:
    base = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in BASE]
    deployment = of_kind(base, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"pneumonia-xray:{__version__}-lean"
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        of_kind(base, "Service")["spec"]["selector"],
        of_kind(base, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        of_kind(base, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector == labels for selector in selectors)
    [port] = of_kind(base, "Service")["spec"]["ports"]
    assert port["targetPort"] in {each["name"] for each in container["ports"]}
    monitor = yaml.safe_load(
        (KUBERNETES / "components/monitoring/servicemonitor.yaml").read_text(encoding="utf-8")
    )
    assert monitor["spec"]["selector"]["matchLabels"] == labels
    assert monitor["spec"]["endpoints"][0]["port"] == port["name"]


def test_a_pod_may_do_no_more_than_it_must() -> None:
    deployment = yaml.safe_load((KUBERNETES / "base/deployment.yaml").read_text(encoding="utf-8"))
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for resource in ("cpu", "memory"):
        assert container["resources"]["limits"][resource]
        assert container["resources"]["requests"][resource]


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_each_overlay_builds_into_valid_manifests(overlay: Path) -> None:
    manifests = built(overlay)
    assert_valid(manifests)
    assert {each["metadata"]["namespace"] for each in manifests} == {"xray"}
    scalers = [each for each in manifests if each["kind"] == "HorizontalPodAutoscaler"]
    deployment = of_kind(manifests, "Deployment")
    for scaler in scalers:
        assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert ("replicas" in deployment["spec"]) == (not scalers)


@needs_kubectl
def test_a_bundle_may_come_from_a_volume(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    file = tmp_path / "kubernetes/overlays/small/kustomization.yaml"
    with file.open("a", encoding="utf-8") as overlay:
        overlay.write("components: [../../components/models-volume]\n")
    manifests = built(file.parent)
    assert_valid(manifests)
    [container] = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "XRAY_MODELS_DIR", "value": "/models/current"} in container["env"]
    assert {"name": "XRAY_API_KEYS", "value": "@/etc/xray/keys"} in container["env"]
    assert "/models" in json.dumps(container["volumeMounts"])
