"""32 clients send without a pause over their key's limit; another key gets every answer."""

import threading
from collections import Counter

import httpx

from tests.serving import LiveService, radiograph

CALM, NOISY = "correct-horse-battery", "staple.0123456789abcdef"
CLIENTS, SENT = 32, 20


def test_who_keeps_to_the_limit_gets_every_answer_beside_who_does_not() -> None:
    environment = {
        "XRAY_API_KEYS": f"calm:{CALM},noisy:{NOISY}",
        "XRAY_RATE_LIMIT": "5",
        "XRAY_RATE_BURST": str(SENT),  # so that the calm one is within it, however fast it is
        "XRAY_QUEUE_SIZE": "64",  # the noisy one has its burst as well
        "FAKE_DELAY_S": "0.02",
    }
    noise: Counter[int] = Counter()
    enough = threading.Event()

    def flood(url: str) -> None:
        with httpx.Client(headers={"X-API-Key": NOISY}, timeout=60) as client:
            while not enough.is_set():
                answer = client.post(f"{url}/predict", files={"file": radiograph()})
                noise[answer.status_code] += 1
                if answer.status_code == 429:
                    assert int(answer.headers["retry-after"]) >= 1

    with LiveService(environment=environment) as service:
        service.wait_until_ready()
        clients = [threading.Thread(target=flood, args=(service.url,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        with httpx.Client(headers={"X-API-Key": CALM}, timeout=60) as calm:
            answers = [
                calm.post(f"{service.url}/predict", files={"file": radiograph(seed)})
                for seed in range(SENT)
            ]
        enough.set()
        for client in clients:
            client.join()
    assert [answer.status_code for answer in answers] == [200] * SENT
    assert noise[200] >= 1
    assert noise[429] >= 1
