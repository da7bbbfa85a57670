"""``python -m tests.faults``: throw everything at the service; status 1 when a bar is broken."""

import argparse
import os
import sys

from tests.faults.bench import run
from tests.faults.scenes import Scale
from tests.faults.tally import table


def main() -> int:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument(
        "--untimed", action="store_true", help="for a busy machine: times are no bars"
    )
    options = parser.parse_args()
    # Slow uploads are given up sooner than by default, so that the bench ends in minutes.
    environment = {"XRAY_UPLOAD_SECONDS": os.environ.get("XRAY_UPLOAD_SECONDS", "8")}
    tallies = run(
        Scale(timed=not options.untimed),
        environment,
        report=lambda scene: print(f"{scene} ...", file=sys.stderr),  # noqa: T201 - a command,
    )
    broken = [f"{tally.name}: {sentence}" for tally in tallies for sentence in tally.broken]
    verdict = f"{len(broken)} bars broken:" if broken else "No bar was broken."
    sys.stdout.write("\n".join([table(tallies), "", verdict, *broken[:50], ""]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
