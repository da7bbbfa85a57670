"""The page of a language: rendered once, with its styles inlined and a policy that fits them.

Styles travel inside the document, so that the first paint needs one round trip and no script. The
policy allows them by their hash and nothing else that is inline.
"""

import base64
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.i18n import Language, Texts, texts
from service.web.assets import assets, assets_folder, compressed

_TEMPLATES: Final = Path(__file__).parent / "templates"
_OTHER: Final[dict[Language, Language]] = {"es": "en", "en": "es"}
_FOR_SCRIPTS: Final = "script."


@dataclass(frozen=True, slots=True)
class Page:
    """The document of one language.

    Attributes:
        content: HTML, UTF-8.
        compressed: The same by gzip.
        policy: Its Content-Security-Policy.
    """

    content: bytes
    compressed: bytes
    policy: str


@functools.cache
def page(language: Language) -> Page:
    """Render the page of a language; the same object each time."""
    from jinja2 import (  # noqa: PLC0415 - the service starts without it
        Environment,
        FileSystemLoader,
        StrictUndefined,
    )
    from markupsafe import Markup  # noqa: PLC0415

    styles = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    words = texts(language)["page"]
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    html = environment.get_template("page.html").render(
        language=language,
        other=_OTHER[language],
        t=words,
        css=Markup(styles),  # noqa: S704 - our own file
        assets=f"assets/{assets_folder()}",
        modules=[name for name in assets() if name.endswith(".js") and name != "main.js"],
        script_texts=Markup(_script_texts(words)),  # noqa: S704 - escaped for its place
    )
    content = html.encode()
    return Page(content, compressed(content), _policy(styles))


def _script_texts(words: Texts) -> str:
    """The texts that scripts speak, as JSON that cannot end the element it stands in."""
    spoken = {
        key.removeprefix(_FOR_SCRIPTS): text
        for key, text in words.items()
        if key.startswith(_FOR_SCRIPTS)
    }
    return json.dumps(spoken, ensure_ascii=False).replace("<", "\\u003c")


def _policy(styles: str) -> str:
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'sha256-{digest}'",
            "img-src 'self' blob:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
