"""The page in one language: rendered once, with inline styles and a Content-Security-Policy.

Styles are inline so that the first paint needs one round trip and no script. The policy allows them
by their hash, and nothing else that is inline.
"""

import base64
import functools
import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.i18n import Language, Texts, texts
from service.web.assets import asset_names, assets_digest

_TEMPLATES: Final = Path(__file__).parent / "templates"
_OTHER: Final[dict[Language, Language]] = {"es": "en", "en": "es"}
_SCRIPT_PREFIX: Final = "script."


@dataclass(frozen=True, slots=True)
class Page:
    """The document in one language.

    Attributes:
        content: HTML, UTF-8.
        compressed: The same, compressed with gzip.
        policy: Its Content-Security-Policy.
    """

    content: bytes
    compressed: bytes
    policy: str


@functools.cache
def page(language: Language) -> Page:
    """The page in one language, rendered once."""
    import jinja2

    styles = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    catalogue = texts(language)["page"]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    html = environment.get_template("page.html").render(
        language=language,
        other=_OTHER[language],
        t=catalogue,
        css=styles,
        assets=f"assets/{assets_digest()}",
        modules=[name for name in asset_names() if name.endswith(".js") and name != "main.js"],
        script_texts=_script_texts(catalogue),
    )
    content = html.encode()
    return Page(content, gzip.compress(content), _policy(styles))


def _script_texts(catalogue: Texts) -> str:
    """The texts for the scripts, as JSON that cannot close its <script> element."""
    script_texts = {
        key.removeprefix(_SCRIPT_PREFIX): text
        for key, text in catalogue.items()
        if key.startswith(_SCRIPT_PREFIX)
    }
    return json.dumps(script_texts, ensure_ascii=False).replace("<", "\\u003c")


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
