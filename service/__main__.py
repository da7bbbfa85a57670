"""``python -m service``: serve on the address that the settings name."""

import sys

from pydantic import ValidationError

from service.server import serve
from service.settings import Settings


def main() -> None:
    """Read the settings and serve; a setting that is out of range ends in words and status 2."""
    try:
        settings = Settings()
    except ValidationError as error:
        for wrong in error.errors(include_url=False, include_input=False):
            name = "XRAY_" + "_".join(str(part) for part in wrong["loc"]).upper()
            print(f"{name}: {wrong['msg']}", file=sys.stderr)  # noqa: T201 - for the operator
        sys.exit(2)
    serve(settings)


if __name__ == "__main__":
    main()
