"""``python -m service``: serve on the address that the settings name."""

import os
import sys

from pydantic import ValidationError

from service.server.process import unsupported_system
from service.settings import Settings, complaints, unknown_names


def main() -> None:
    """Read the settings and serve; a bad setting ends it with a message and status 2."""
    if reason := unsupported_system():
        sys.exit(_refused(reason))
    # Not at the top: on Windows, modules below would be missing.
    from service.server.serving import serve  # noqa: PLC0415

    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(_refused(*complaints(error)))
    for name in unknown_names(os.environ):
        print(f"{name} is not a setting and is ignored", file=sys.stderr)  # noqa: T201
    serve(settings)


def _refused(*reasons: str) -> int:
    for reason in reasons:
        print(reason, file=sys.stderr)  # noqa: T201 - for the operator
    return 2


if __name__ == "__main__":
    main()
