"""Sends valid and invalid files to a running service, checks the answers, and stops it under load.

Usage: python docker/smoke_checks.py URL --stop COMMAND...
       python docker/smoke_checks.py URL --key KEY    checks only that the service requires this key
"""

import io
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.contract import VERDICT_FIELDS
from tests.drawn_film import drawn_film
from tests.films import films, was_looked_at
from tests.phantom import phantom

KINDS = ("jpeg", "png", "webp", "bmp", "tiff")
PAGES = [
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/model",
    "/metrics",
    "/docs",
    "/openapi.json",
]
PROBLEM = "application/problem+json"
IN_FLIGHT = 12
LARGE = (3000, 2400)


def encoded(image_format: str, size: tuple[int, int] = (640, 560)) -> bytes:
    """A drawn chest film, encoded as an image file."""
    buffer = io.BytesIO()
    drawn_film(7, size, opacity=1.0).save(buffer, image_format)
    return buffer.getvalue()


def crude() -> bytes:
    """A few ellipses, which may be refused as not a chest film."""
    buffer = io.BytesIO()
    phantom(1, (320, 256), opacity=0.5).save(buffer, "png")
    return buffer.getvalue()


def bad_files() -> dict[str, tuple[bytes, int]]:
    """Files that must be rejected, with the expected status."""
    return {
        "text.jpeg": (b"not an image", 415),
        "truncated.jpeg": (encoded("jpeg")[:2000], 422),
        "empty.png": (b"", 422),
        "huge.jpeg": (encoded("jpeg") + bytes(41 * 1024 * 1024), 413),
    }


def check_verdict(name: str, answer: httpx.Response) -> str:
    """Fails unless the answer is a complete and consistent verdict; returns its assessment."""
    verdict = answer.json()
    assert answer.status_code == 200, (name, answer.status_code, verdict)
    assert list(verdict)[: len(VERDICT_FIELDS)] == VERDICT_FIELDS, (name, list(verdict))
    above = verdict["probability"] > verdict["threshold"]
    assert verdict["predicted_class"] == ("PNEUMONIA" if above else "NORMAL"), (name, verdict)
    possible = {"indeterminate", verdict["predicted_class"].lower()}
    assert verdict["assessment"] in possible, (name, verdict)
    return str(verdict["assessment"])


def check_drawing(name: str, answer: httpx.Response) -> None:
    """Fails unless a crude drawing is refused as not a chest film, or judged with a warning."""
    assert was_looked_at(answer.status_code, answer.content), (name, answer.text)
    if answer.status_code == 200:
        check_verdict(name, answer)
        assert answer.json()["warnings"], (name, answer.text)
    else:
        check_problem(name, answer, 422)


def check_problem(name: str, answer: httpx.Response, status: int) -> None:
    """Fails unless the answer is the expected problem."""
    assert answer.status_code == status, (name, answer.status_code, answer.text)
    assert answer.headers["content-type"] == PROBLEM, (name, answer.headers)
    assert answer.json()["request_id"] == answer.headers["x-request-id"], (name, answer.text)


def check_answers(client: httpx.Client) -> None:
    """Checks valid and invalid files, a batch of both, and the pages."""
    for kind in KINDS:
        check_verdict(kind, client.post("/predict", files={"file": ("x", encoded(kind))}))
    check_drawing("crude", client.post("/predict", files={"file": ("x", crude())}))
    found = [
        check_verdict(path.name, client.post("/predict", files={"file": path.read_bytes()}))
        for path in films()
    ]
    counted = ", ".join(f"{number} {kind}" for kind, number in Counter(found).items())
    print(f"{len(KINDS)} drawn films judged; {len(found)} films: {counted or 'none here'}")

    for name, (data, status) in bad_files().items():
        check_problem(name, client.post("/predict", files={"file": (name, data)}), status)
    check_problem("no file", client.post("/predict", files={"other": b"x"}), 400)
    check_problem("no multipart", client.post("/predict", content=b"x"), 400)
    raw = {"Content-Type": "image/png"}
    check_verdict("raw", client.post("/predict", content=encoded("png"), headers=raw))

    mixed = [encoded("png"), b"not an image", encoded("webp")]
    batch = client.post("/predict/batch", files=[("files", ("x", data)) for data in mixed])
    assert batch.status_code == 200, batch.text
    for path in PAGES:
        assert client.get(path).status_code == 200, path
    film = next((path.read_bytes() for path in films()), encoded("png"))
    for path, kind in {"/explain": "image/png", "/report": "application/pdf"}.items():
        answer = client.post(path, files={"file": ("x.png", film)})
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["content-type"] == kind, (path, answer.headers)
    print("problems, a mixed batch, heat map, report and pages are as expected")


def check_stop(client: httpx.Client, command: list[str]) -> None:
    """Stops the service while requests are in flight; each of them must be answered."""
    data = encoded("png", LARGE)  # slow enough to be in flight during the stop
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        answers = [
            pool.submit(client.post, "/predict", files={"file": ("x.png", data)})
            for _ in range(IN_FLIGHT)
        ]
        time.sleep(0.3)
        unanswered = sum(not answer.done() for answer in answers)
        assert unanswered, "every request was answered before the stop: nothing was tested"
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for answer in answers:
            check_verdict("in flight", answer.result())
    print(f"stopped with {unanswered} requests in flight: all answered")


def check_key(client: httpx.Client, key: str) -> None:
    """Checks that only requests with the key have their file looked at."""
    files = {"file": ("x.png", encoded("png"))}
    check_problem("no key", client.post("/predict", files=files), 401)
    wrong = client.post("/predict", files=files, headers={"X-API-Key": f"{key}x"})
    check_problem("wrong key", wrong, 401)
    check_verdict("key", client.post("/predict", files=files, headers={"X-API-Key": key}))
    print("401 without the key, an answer with it")


def main(url: str, option: str, *values: str) -> None:
    """Runs every check in turn; the first that fails ends it."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        if option == "--key":
            [key] = values
            check_key(client, key)
        else:
            assert option == "--stop", __doc__
            check_answers(client)
            check_stop(client, list(values))


if __name__ == "__main__":
    main(*sys.argv[1:])
