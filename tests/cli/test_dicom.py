import json
import socket
from pathlib import Path

import pytest
from pydicom.uid import BasicTextSRStorage
from typer.testing import CliRunner

from service.cli.app import app
from service.hospital.node.durable_queue import DurableQueue
from service.hospital.node.ledger import State
from service.hospital.node.uids import uid_of_file
from tests.hospital.node.objects import film, film_uid
from tests.hospital.node.peers import FakePacs

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["dicom", *(str(each) for each in arguments)])
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A queue of one film that waits and one in quarantine."""
    queue = DurableQueue(tmp_path / "node", uid_of=uid_of_file, size=10, min_free_bytes=0)
    for number in (1, 2):
        queue.accept(film_uid(number), film(number))
    queue.quarantine(film_uid(2), "corrupt_image")
    queue.close()
    return tmp_path / "node"


def test_status_counts_what_is_there(folder: Path) -> None:
    code, text = run("status", "--dir", folder)
    assert code == 0
    assert "quarantined        1" in text
    code, text = run("status", "--dir", folder, "--json")
    told = json.loads(text)
    assert {state: told[state] for state in State} == {
        "queued": 1,
        "made": 0,
        "sent": 0,
        "refused": 0,
        "quarantined": 1,
    }
    assert told["oldest_seconds"] >= 0


def test_without_a_queue_there_is_no_status(tmp_path: Path) -> None:
    code, text = run("status", "--dir", tmp_path)
    assert code == 2
    assert "There is no queue" in text


def test_what_is_in_quarantine_is_queued_again(folder: Path) -> None:
    assert run("retry", "--dir", folder) == (0, "1 images are queued again.\n")
    assert json.loads(run("status", "--dir", folder, "--json")[1])["queued"] == 2


def test_not_while_the_node_runs(folder: Path) -> None:
    queue = DurableQueue(folder, uid_of=uid_of_file, size=10, min_free_bytes=0)
    code, text = run("retry", "--dir", folder)
    assert code == 2
    assert "Another node uses the folder" in text
    assert run("status", "--dir", folder)[0] == 0
    queue.close()


def test_echo_says_whether_the_pacs_knows_us() -> None:
    pacs = FakePacs("1.2.840.10008.1.1", BasicTextSRStorage)
    with pacs.running():
        assert run("echo", "--send-to", pacs.address) == (0, f"{pacs.address} answers.\n")
        code, text = run("echo", "--send-to", pacs.address.replace("PACS", "OTHER"))
    assert (code, "association_rejected" in text) == (2, True)
    code, text = run("echo", "--send-to", pacs.address)
    assert (code, "no_connection" in text) == (2, True)


def test_a_node_without_a_destination_does_not_start(tmp_path: Path) -> None:
    code, text = run("serve", "--dir", tmp_path / "node")
    assert code == 2
    assert "XRAY_DICOM_SEND_TO" in text
    assert not (tmp_path / "node").exists()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = run(
            *("serve", "--dir", tmp_path, "--port", port, "--send-to", "dicom://A@localhost:1")
        )
    assert code == 2
    assert f"Port {port} cannot be listened on" in text
