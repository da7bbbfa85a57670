"""Firefox by its own remote protocol, Marionette: Playwright drives no Firefox of a distribution.

The protocol is WebDriver's commands as JSON, each with its length before it, over TCP:
https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.serving import PATIENCE_S

_ELEMENT: Final = "element-6066-11e4-a52e-4f735466cecf"
"""What WebDriver calls the reference to an element."""

_PREFERENCES: Final = {
    "marionette.port": 0,
    "app.update.disabledForTesting": True,
    "browser.download.folderList": 2,
    "browser.download.always_ask_before_handling_new_types": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "pdfjs.disabled": True,
    "browser.helperApps.neverAsk.saveToDisk": "application/pdf,text/csv",
    "toolkit.telemetry.enabled": False,
}


def executable() -> str | None:
    """Debian's Firefox, or another one on the path."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """A window of Firefox.

    Args:
        port: Where it listens.
        downloads: Where it saves files.
    """

    def __init__(self, port: int, downloads: Path) -> None:
        self.downloads = downloads
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._numbers = count(1)
        self._receive()  # its greeting
        self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {}})

    def call(self, command: str, **parameters: Any) -> Any:
        """Send a command; fails if Firefox answers with an error."""
        message = json.dumps([0, next(self._numbers), command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        assert error is None, error
        return (
            result.get("value") if isinstance(result, dict) and set(result) == {"value"} else result
        )

    def open(self, url: str) -> None:
        """Load a page."""
        self.call("WebDriver:Navigate", url=url)

    def script(self, body: str, *arguments: Any) -> Any:
        """Run the body of a function in the page, and return what it returns."""
        return self.call("WebDriver:ExecuteScript", script=body, args=list(arguments))

    def wait(self, expression: str) -> Any:
        """Block until an expression is true in the page, and return its value."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := self.script(f"return {expression}")):
            assert time.monotonic() < deadline, expression
            time.sleep(0.1)
        return value

    def find(self, selector: str) -> str:
        """The reference to an element."""
        found = self.call("WebDriver:FindElement", using="css selector", value=selector)
        return str(found[_ELEMENT])

    def click(self, selector: str) -> None:
        """Click an element, away from the window's edge, which the page's notice covers."""
        self.script(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector
        )
        self.call("WebDriver:ElementClick", id=self.find(selector))

    def type(self, selector: str, text: str) -> None:
        """Type into an element, or name the files of a file field, one a line."""
        self.call("WebDriver:ElementSendKeys", id=self.find(selector), text=text)

    def text(self, selector: str) -> str:
        """The text of an element."""
        return str(self.script("return document.querySelector(arguments[0]).textContent", selector))

    def pointer(self, selector: str, *steps: tuple[str, float, float]) -> None:
        """Move, press and release the mouse; places count from the middle of an element."""
        origin = {_ELEMENT: self.find(selector)}
        actions = [
            {"type": f"pointer{kind}", "button": 0}
            | ({"x": round(x), "y": round(y), "origin": origin} if kind == "Move" else {})
            for kind, x, y in steps
        ]
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        self.call("WebDriver:PerformActions", actions=[source])

    def screenshot(self, selector: str | None = None) -> bytes:
        """A PNG of an element, or of what is seen of the page."""
        target = {"id": self.find(selector)} if selector else {"full": False}
        return base64.b64decode(self.call("WebDriver:TakeScreenshot", **target))

    def downloaded(self, pattern: str) -> Path:
        """Block until a file is saved whole, and return its path."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := sorted(self.downloads.glob(pattern))) or _unfinished(self.downloads):
            assert time.monotonic() < deadline, pattern
            time.sleep(0.1)
        return found[0]

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _receive(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            length += self._read(1)
        return json.loads(self._read(int(length[:-1])))

    def _read(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            chunk = self._socket.recv(size - len(content))
            assert chunk, "Firefox has closed the connection."
            content += chunk
        return content


def _unfinished(folder: Path) -> bool:
    return any(folder.glob("*.part")) or any(not path.stat().st_size for path in folder.iterdir())


@contextmanager
def firefox(folder: Path, *options: str, languages: Sequence[str] = ("es",)) -> Iterator[Firefox]:
    """Start Firefox without a screen, in a profile of its own.

    Args:
        folder: For the profile and the downloads.
        options: More of its command line.
        languages: What pages are asked for.
    """
    binary = executable()
    assert binary
    profile, downloads = folder / "profile", folder / "downloads"
    profile.mkdir()
    downloads.mkdir()
    preferences = _PREFERENCES | {
        "browser.download.dir": str(downloads),
        "intl.accept_languages": ",".join(languages),
    }
    lines = (
        f"user_pref({json.dumps(key)}, {json.dumps(each)});" for key, each in preferences.items()
    )
    (profile / "user.js").write_text("\n".join(lines))
    process = subprocess.Popen(
        [binary, "--headless", "--marionette", "--no-remote", "--profile", str(profile), *options],
        env=os.environ | {"HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        window = Firefox(_port(profile), downloads)
        yield window
        window.close()
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _port(profile: Path) -> int:
    file = profile / "MarionetteActivePort"
    deadline = time.monotonic() + PATIENCE_S
    while not (file.exists() and file.read_text().strip()):
        assert time.monotonic() < deadline, "Firefox does not start."
        time.sleep(0.1)
    return int(file.read_text())
