"""What tests of the page do in a browser."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Page, Request, Route, expect

from tests.serving import PATIENCE_S, radiograph

GOOD, OTHER = radiograph(1), radiograph(2)

# The browser's own line for every answer from 400 on, and for none.
_ANSWER_IN_CONSOLE = "Failed to load resource: "

_WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Watch:
    """What must not happen on any page, and what was sent."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        """Note warnings and errors."""
        if message.type in {"error", "warning"} and _ANSWER_IN_CONSOLE not in message.text:
            self.complaints.append(message.text)

    def on_request(self, request: Request) -> None:
        """Note each request, and complain of one that goes elsewhere."""
        if not request.url.startswith((f"{self.origin}/", f"blob:{self.origin}/")):
            self.complaints.append(f"request to {request.url}")
        self.paths.append(request.url.removeprefix(self.origin))


@contextmanager
def open_page(browser: Browser, url: str, path: str = "/", **options: Any) -> Iterator[Page]:
    """A page in a context of its own; fails if anything went wrong on it behind the scenes.

    Args:
        browser: Where.
        url: Of the service.
        path: Of the page.
        options: Of the context; Spanish unless ``locale`` says otherwise.
    """
    context = browser.new_context(**({"locale": "es-AR"} | options))
    context.set_default_timeout(PATIENCE_S * 1000)
    context.add_init_script(_WATCH_POLICY)
    page = context.new_page()
    watch = Watch(url)
    page.on("console", watch.on_console)
    page.on("pageerror", lambda error: watch.complaints.append(str(error)))
    page.on("request", watch.on_request)
    try:
        page.goto(url + path)
        yield page
        assert watch.complaints == []
        assert context.cookies() == []
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    finally:
        context.close()


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    """Choose files in the dialogue that the button opens."""
    with page.expect_file_chooser() as chosen:
        page.locator("label[for=files]").click()
    payloads: list[FilePayload] = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        for name, content in files
    ]
    chosen.value.set_files(payloads)


def give(page: Page, event: str, *files: tuple[str, bytes]) -> None:
    """Drop or paste files, with the event that a browser makes of it."""
    page.evaluate(
        """([kind, files]) => {
          const data = new DataTransfer();
          for (const [name, content] of files) {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], name, { type: "image/png" }));
          }
          const options = { bubbles: true, cancelable: true };
          const event = kind === "paste"
            ? new ClipboardEvent(kind, { ...options, clipboardData: data })
            : new DragEvent(kind, { ...options, dataTransfer: data });
          document.body.dispatchEvent(event);
        }""",
        [event, [(name, base64.b64encode(content).decode()) for name, content in files]],
    )


def drop_tree(page: Page, tree: Mapping[str, Any]) -> None:
    """Drop files and folders, as a browser's entries show them.

    Args:
        page: Where.
        tree: By name, the content of a file, another tree for a folder, or None for what cannot be
            read.
    """
    page.evaluate(
        """(tree) => {
          const failing = (_, reject) => reject(new DOMException("", "NotReadableError"));
          const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const entryOf = ([name, node]) => {
            const isDirectory = node === null || typeof node === "object";
            if (!isDirectory) {
              const file = new File([bytes(node)], name);
              return { name, isFile: true, isDirectory, file: (resolve) => resolve(file) };
            }
            const children = node && Object.entries(node).map(entryOf);
            const readEntries = (resolve, reject) =>
              children ? resolve(children.splice(0, 2)) : failing(resolve, reject);
            return { name, isFile: false, isDirectory, createReader: () => ({ readEntries }) };
          };
          const items = Object.entries(tree).map(entryOf).map((entry) => ({
            kind: "file",
            webkitGetAsEntry: () => entry,
            getAsFile: () => {
              let file = null;
              entry.file?.((found) => (file = found));
              return file;
            },
          }));
          const event = new Event("drop", { bubbles: true, cancelable: true });
          Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], items } });
          document.body.dispatchEvent(event);
        }""",
        _encoded(tree),
    )


def _encoded(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _encoded(node)
        if isinstance(node, Mapping)
        else node and base64.b64encode(node).decode()
        for name, node in tree.items()
    }


def wait_for_answers(page: Page, count: int = 1) -> None:
    """Block until that many radiographs have a verdict or a problem."""
    expect(page.locator(".row.above, .row.below, .row.failed")).to_have_count(count)


def names(page: Page) -> Sequence[str]:
    """What the list holds, in its order."""
    return page.locator(".row [data-part=name]").all_text_contents()


def hold(page: Page, pattern: str) -> list[Route]:
    """Keep requests from going out; they gather in the list."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(pattern, keep)
    return held


def answer_problem(route: Route, status: int, code: str, **headers: str) -> None:
    """Answer a request by a problem."""
    route.fulfill(
        status=status,
        headers={"Content-Type": "application/problem+json", "Content-Language": "es"} | headers,
        json={"title": f"Título {code}", "detail": f"Detalle {code}.", "code": code},
    )


def note_what_is_sent(page: Page) -> None:
    """Have the page note each form that it sends; ``what_was_sent`` tells."""
    page.evaluate(
        """() => {
          window.sent = [];
          const send = XMLHttpRequest.prototype.send;
          XMLHttpRequest.prototype.send = function (form) {
            if (form) window.sent.push(Object.fromEntries([...form].map(([name, value]) =>
              [name, value instanceof File ? `${value.name} ${value.size}` : value])));
            send.call(this, form);
          };
        }"""
    )


def what_was_sent(page: Page) -> list[dict[str, str]]:
    """The fields of each form since ``note_what_is_sent``; of a file, its name and size."""
    sent: list[dict[str, str]] = page.evaluate("window.sent")
    return sent


AXE = Path(__file__).parent / "axe" / "axe.min.js"
