"""One version, in ``service/__init__.py``; every file that repeats it says the same."""

import re
import subprocess

import pytest

from service import __version__
from tests.serving import ROOT

REPEATED = {
    "CITATION.cff": r"^version: (.+)$",
    "Dockerfile": r'image\.version="(.+)"$',
    "deploy/kubernetes/base/deployment.yaml": r"image: pneumonia-xray:(.+)-lean$",
    "docker-compose.yml": r"image: pneumonia-xray:(.+)$",
    "docker/lean.yml": r'image: "pneumonia-xray:(.+)-lean"',
    "docs/deploying.md": r"pneumonia-xray:([\d.]+\d)",
    "docs/despliegue.md": r"pneumonia-xray:([\d.]+\d)",
    "docs/operacion.md": r"pneumonia-xray:([\d.]+\d)",
    "docs/operating.md": r"pneumonia-xray:([\d.]+\d)",
}


@pytest.mark.parametrize("name", REPEATED)
def test_every_copy_of_the_version_is_the_package_s(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(REPEATED[name], text, flags=re.MULTILINE)
    assert set(found) == {__version__}


def test_the_changelog_has_a_section_for_it() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(__version__)}\] - ", text, flags=re.MULTILINE)


def test_the_script_prints_it() -> None:
    printed = subprocess.run(
        [ROOT / "scripts/version"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == f"{__version__}\n"
