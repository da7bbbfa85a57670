"""Links between the project's own pages lead somewhere, and what they say holds."""

import json
import re
from pathlib import Path

import pytest

from tests.serving import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/**/*.md")])


def links(page: Path) -> list[str]:
    """Targets of the page's links, without those to other sites."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_pages_have_links() -> None:
    assert sum(len(links(page)) for page in PAGES) > 20


def test_every_function_on_the_way_of_a_request_is_where_the_page_says() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"\[`([\w.]+)`\]\(\.\./(service/[\w/]+\.py)\)", text)
    assert len(named) > 10
    for name, path in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"^ *(async )?(class|def) {part}\b", source, flags=re.MULTILINE), name


@pytest.mark.parametrize("name", ["README.md", "README.es.md"])
def test_the_answer_shown_is_one_of_the_shipped_model(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    [shown] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    manifest = json.loads((ROOT / "models/ensemble.json").read_text(encoding="utf-8"))
    assert shown["threshold"] == round(manifest["threshold"]["value"], 4)
    # `scripts/examples` asked it for the same.
    text = (ROOT / "service/api/examples.json").read_text(encoding="utf-8")
    answer = json.loads(text)["answers"]["Screened"]
    for field in ("predicted_class", "probability", "threshold", "assessment"):
        assert shown[field] == answer[field]
