"""``python -m service``: serve on the address that the settings name."""

import sys

from pydantic import ValidationError

from service.server.serving import serve
from service.settings import Settings, complaints


def main() -> None:
    """Read the settings and serve; a setting that is out of range ends in words and status 2."""
    try:
        settings = Settings()
    except ValidationError as error:
        for complaint in complaints(error):
            print(complaint, file=sys.stderr)  # noqa: T201 - for the operator
        sys.exit(2)
    serve(settings)


if __name__ == "__main__":
    main()
