"""The node against a real Orthanc, with dcmtk's programs as clients."""

import re
import threading
from collections import Counter
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from service.hospital.results.related import related
from tests.hospital.node.objects import film, film_uid, study_uid
from tests.orthanc import NodeProcess, Orthanc, dcmtk, free_port, needs_orthanc, until

pytestmark = needs_orthanc

RESULTS = Counter({"SR": 1, "DOC": 1, "OT": 1, "SEG": 1})
WITH_FILM = RESULTS + Counter({"CR": 1})
PATIENT = re.compile("planted|ACC1", re.IGNORECASE)


def today() -> str:
    return f"{datetime.now().astimezone():%Y%m%d}"


def test_a_study_that_is_stored_to_orthanc_has_its_results_there(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "film.dcm").write_bytes(film(1))
    with (
        Orthanc(tmp_path / "orthanc", node_port=port) as orthanc,
        NodeProcess(
            tmp_path / "node", port=port, environment={"XRAY_DICOM_SEND_TO": orthanc.aet}
        ) as node,
    ):
        dcmtk("echoscu", "-aec", "PNEUMONIA_XRAY", "127.0.0.1", port)
        dcmtk(
            *("storescu", "-aet", "MODALITY", "-aec", "ORTHANC"),
            *("127.0.0.1", orthanc.dicom_port, tmp_path / "film.dcm"),
        )
        until(lambda: orthanc.count() >= 5, lambda: node.log)
        found = dcmtk(
            *("findscu", "-v", "-S", "-aec", "ORTHANC", "-k", "QueryRetrieveLevel=STUDY"),
            *("-k", "PatientID=PLANTED0001", "-k", "StudyInstanceUID", "-k", "ModalitiesInStudy"),
            *("-k", "NumberOfStudyRelatedInstances", "127.0.0.1", orthanc.dicom_port),
        )
        node.wait_for_log('"outcome":"screened"')
        until(lambda: node.metric("xray_dicom_images_to_deliver") == 0)
        made = orthanc.instances()
        kinds = orthanc.kinds()
        waiting = [path for path in (tmp_path / "node").glob("*/*") if path.suffix == ".dcm"]
        log = node.log
    assert kinds == {study_uid(1): WITH_FILM}
    assert found.stdout.count("PLANTED0001") + found.stderr.count("PLANTED0001") >= 1
    assert {tags["PatientName"] for tags in made} == {"Planted^Patient1"}
    assert {tags["AccessionNumber"] for tags in made} == {"ACC1"}
    assert waiting == []
    assert not PATIENT.search(log)
    assert film_uid(1) not in log


def test_a_study_that_is_found_by_dicomweb_has_its_results_there(tmp_path: Path) -> None:
    environment = {"XRAY_DICOM_POLL_SECONDS": "0.5"}
    with Orthanc(tmp_path / "orthanc") as orthanc:
        environment |= {"XRAY_DICOM_POLL": orthanc.web, "XRAY_DICOM_SEND_TO": orthanc.web}
        with NodeProcess(tmp_path / "node", port=free_port(), environment=environment) as node:
            stored = orthanc.http.post("/instances", content=film(1, StudyDate=today()))
            assert stored.status_code == 200
            orthanc.http.post("/instances", content=film(2, StudyDate="20010101"))
            until(lambda: orthanc.count() >= 6, lambda: node.log)
            # Nothing is fetched twice, and its own results are not fetched at all.
            stored = orthanc.http.post("/instances", content=film(3, StudyDate=today()))
            until(lambda: orthanc.count() >= 11, lambda: node.log)
            until(lambda: node.metric("xray_dicom_images_to_deliver") == 0)
            assert node.metric('xray_dicom_received_total{outcome="queued"}') == 2
            assert node.metric('xray_dicom_received_total{outcome="duplicate"}') == 0
            assert node.metric('xray_dicom_received_total{outcome="own"}') == 0
            assert orthanc.kinds() == {
                study_uid(1): WITH_FILM,
                study_uid(2): Counter({"CR": 1}),
                study_uid(3): WITH_FILM,
            }
            node.terminate()
            assert node.exit_status() == 0
            assert not PATIENT.search(node.log)
            assert study_uid(1) not in node.log


def test_images_that_come_by_stow_rs_have_their_results_in_orthanc(tmp_path: Path) -> None:
    key = "a-key-of-more-than-16"
    with Orthanc(tmp_path / "orthanc") as orthanc:
        environment = {"XRAY_DICOM_SEND_TO": orthanc.web, "XRAY_API_KEYS": key}
        with NodeProcess(tmp_path / "node", port=free_port(), environment=environment) as node:
            kind, body = related([film(1), film(2)])
            address, headers = f"{node.url}/dicomweb/studies", {"Content-Type": kind}
            refused = httpx.post(address, content=body, headers=headers, timeout=30)
            headers["Authorization"] = f"Bearer {key}"
            answer = httpx.post(address, content=body, headers=headers, timeout=30)
            until(lambda: orthanc.count() >= 8, lambda: node.log)
    assert refused.status_code == 401
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    stored = [each["00081155"]["Value"] for each in answer.json()["00081199"]["Value"]]
    assert stored == [[film_uid(1)], [film_uid(2)]]


@pytest.mark.timeout(900)
def test_kill_9_in_the_middle_of_fifty_studies_loses_and_doubles_none(tmp_path: Path) -> None:
    films, port = tmp_path / "films", free_port()
    films.mkdir()
    for number in range(50):
        (films / f"{number:02}.dcm").write_bytes(film(number))
    send = (
        *("storescu", "-aec", "PNEUMONIA_XRAY", "+sd", "127.0.0.1", port),
        films,
    )
    with Orthanc(tmp_path / "orthanc") as orthanc:
        environment = {"XRAY_DICOM_SEND_TO": orthanc.aet, "XRAY_DICOM_RESULTS": "sr,seg"}

        def node() -> NodeProcess:
            return NodeProcess(tmp_path / "node", port=port, environment=environment)

        with node() as first:
            sender = threading.Thread(target=lambda: dcmtk(*send, check=False))
            sender.start()
            until(lambda: orthanc.count() >= 1, lambda: first.log)
            first.kill()
            sender.join()
        with node() as second:
            dcmtk(*send)  # a modality sends again what was not acknowledged, and more than that
            delivered = orthanc.count()
            until(lambda: orthanc.count() >= delivered + 5, lambda: second.log)
            second.kill()
        before = orthanc.count()
        assert before < 100
        with node() as third:
            until(lambda: orthanc.count() >= 100, lambda: third.log, patience_s=600)
            until(lambda: third.metric("xray_dicom_images_to_deliver") == 0)
            assert third.metric("xray_dicom_images_in_quarantine") == 0
        expected = Counter({"SR": 1, "SEG": 1})
        assert orthanc.kinds() == {study_uid(number): expected for number in range(50)}
    assert not list((tmp_path / "node/queue").iterdir())
    assert not list((tmp_path / "node/outbox").iterdir())


def test_results_wait_for_a_pacs_that_is_away(tmp_path: Path) -> None:
    port = free_port()
    orthanc = Orthanc(tmp_path / "orthanc")
    (tmp_path / "film.dcm").write_bytes(film(1))
    with NodeProcess(
        tmp_path / "node", port=port, environment={"XRAY_DICOM_SEND_TO": orthanc.aet}
    ) as node:
        dcmtk(
            *("storescu", "-aec", "PNEUMONIA_XRAY", "127.0.0.1", port, tmp_path / "film.dcm"),
        )
        node.wait_for_log("The PACS cannot be reached")
        with orthanc:
            until(lambda: orthanc.count() >= 4, lambda: node.log)
            assert orthanc.kinds() == {study_uid(1): RESULTS}
