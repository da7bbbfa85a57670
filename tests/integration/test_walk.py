"""The walk from ``POST /predict`` to the engine in docs/architecture.md is the code's own."""

import io
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import pytest

from service.api.app import create_app
from service.settings import Settings
from tests.drawn_film import drawn_film
from tests.serving import ROOT, client_of

pytestmark = pytest.mark.anyio

SERVICE: Final = str(ROOT / "service")
HANDLER: Final = ("service/api/routes/predict.py", "predict")
SUBMIT: Final = ("service/screening/thread_pool.py", "LifoThreadPool.submit")
ENGINE: Final = ("service/inference/engines/onnx.py", "OnnxEngine.explain")

Function = tuple[str, str]
"""File below the repository, and qualified name."""


class Walk:
    """A profile function that notes which functions of ours are entered.

    Attributes:
        entered: Function and whether in the main thread, in the order of their first calls.
        chain: Functions on the stack, from the handler to the engine.
    """

    def __init__(self) -> None:
        self.entered: dict[Function, bool] = {}
        self.chain: list[Function] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(SERVICE):
            return
        function = named(frame.f_code)
        self.entered.setdefault(function, threading.current_thread() is threading.main_thread())
        if function == SUBMIT or (function == ENGINE and ENGINE not in self.chain):
            stack = [*own(frame)]
            start = stack.index(HANDLER) if HANDLER in stack else 0
            self.chain += stack[start:] if function == ENGINE or HANDLER in stack else []


def named(code: CodeType) -> Function:
    return Path(code.co_filename).relative_to(ROOT).as_posix(), code.co_qualname


def own(frame: FrameType | None) -> Iterator[Function]:
    """Functions of ours on the stack, the outermost first."""
    if frame is not None:
        yield from own(frame.f_back)
        if frame.f_code.co_filename.startswith(SERVICE):
            yield named(frame.f_code)


def documented() -> list[tuple[Function, bool]]:
    """The table's functions, and whether they run on the event loop."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ]*)\| \[`([\w.]+)`\]\(\.\./(service/\S+)\) \|", text, re.MULTILINE)
    found, on_loop = [], True
    for where, name, path in rows:
        on_loop = where.strip() == "event loop" if where.strip() else on_loop
        found.append(((path, name), on_loop))
    return found


@pytest.fixture
def walk() -> Iterator[Walk]:
    walk = Walk()
    before: Any = sys.getprofile()
    threading.setprofile(walk)
    sys.setprofile(walk)
    yield walk
    sys.setprofile(before)
    threading.setprofile(before)


async def test_a_request_takes_the_way_that_the_page_says(walk: Walk) -> None:
    picture = io.BytesIO()
    drawn_film(7, opacity=1.0).save(picture, "PNG")
    settings = Settings(threads=1, engine="onnx", precision="fp32")
    async with client_of(create_app(settings)) as client:
        walk.entered.clear()
        walk.chain.clear()
        answer = await client.post("/predict", files={"file": picture.getvalue()})
    assert answer.status_code == 200, answer.text
    told = documented()
    order = [*walk.entered]
    assert [function for function, _ in told if function not in walk.entered] == []
    assert sorted(told, key=lambda row: order.index(row[0])) == told
    assert {function: walk.entered[function] for function, _ in told} == dict(told)
    assert told[-1][0] == ENGINE
    assert len(told) <= 15
    assert len(walk.chain) <= 15
    # Private helpers belong to the function that they help.
    calls = [each for each in walk.chain if not re.search(r"(^|\.)_|<", each[1])]
    assert (calls[0], calls[-1], len(calls) - 1) == (HANDLER, ENGINE, 5)
    assert set(calls) <= {function for function, _ in told}
