import email
import email.policy
import io
import logging
from email.message import EmailMessage

import httpx
import pydicom
import pytest
from pydicom import Dataset

from service.api.app import create_app
from service.settings import Settings
from tests.dicom_files import STUDY, dicom
from tests.fake_engine import fake_ensemble
from tests.serving import assert_problem, client_of, radiograph

pytestmark = pytest.mark.anyio


def parts_of(answer: httpx.Response) -> list[Dataset]:
    """The DICOM files of a multipart answer, as an independent parser of MIME sees them."""
    assert answer.status_code == 200, answer.text
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.content, policy=email.policy.HTTP)
    assert isinstance(message, EmailMessage)
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/dicom"
    files: list[Dataset] = []
    for part in message.iter_parts():
        assert part.get_content_type() == "application/dicom"
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        files.append(pydicom.dcmread(io.BytesIO(content)))
    return files


async def test_it_answers_with_results_in_the_study_of_the_file(client: httpx.AsyncClient) -> None:
    data = dicom()
    results = parts_of(await client.post("/dicom/report", files={"file": data}))
    # The model of this service does not look for lungs.
    assert [result.Modality for result in results] == ["SR", "DOC", "OT"]
    assert {result.StudyInstanceUID for result in results} == {STUDY}
    verdict = (await client.post("/predict", files={"file": data})).json()
    assert f'"{verdict["probability"]}"' in str(results[0]).replace("'", '"')


async def test_with_a_model_that_finds_lungs_they_are_segmented() -> None:
    app = create_app(Settings(threads=1), load=lambda: fake_ensemble(lungs=True))
    async with client_of(app) as client:
        results = parts_of(await client.post("/dicom/report", files={"file": dicom()}))
    assert [result.Modality for result in results] == ["SR", "DOC", "OT", "SEG"]


async def test_sent_twice_it_answers_with_the_same_objects(client: httpx.AsyncClient) -> None:
    answers = [await client.post("/dicom/report", files={"file": dicom()}) for _ in range(2)]
    first, again = ([part.SOPInstanceUID for part in parts_of(answer)] for answer in answers)
    assert first == again


async def test_uids_are_under_the_operators_root() -> None:
    settings = Settings(threads=1, dicom_uid_root="1.2.826.0.1.9")
    async with client_of(create_app(settings, load=fake_ensemble)) as client:
        results = parts_of(await client.post("/dicom/report", files={"file": dicom()}))
    assert all(result.SOPInstanceUID.startswith("1.2.826.0.1.9.") for result in results)


@pytest.mark.parametrize(
    ("query", "header", "words"),
    [("", "es", "sin verificar"), ("?lang=en", "es", "not verified"), ("", "", "not verified")],
)
async def test_its_language_is_the_one_asked_for(
    client: httpx.AsyncClient, query: str, header: str, words: str
) -> None:
    answer = await client.post(
        f"/dicom/report{query}", files={"file": dicom()}, headers={"Accept-Language": header}
    )
    assert answer.headers["content-language"] == ("es" if "sin" in words else "en")
    assert all(words in result.SeriesDescription for result in parts_of(answer))


async def test_an_image_of_another_format_is_refused_in_words(client: httpx.AsyncClient) -> None:
    answer = await client.post("/dicom/report", files={"file": radiograph()})
    assert "DICOM" in assert_problem(answer, 415, "not_dicom")["detail"]
    answer = await client.post(
        "/dicom/report", files={"file": b"%PDF-1.4"}, headers={"Accept-Language": "es"}
    )
    assert "archivo DICOM" in assert_problem(answer, 415, "not_dicom")["detail"]


async def test_a_broken_dicom_file_is_refused_as_by_predict(client: httpx.AsyncClient) -> None:
    for data in (dicom()[:700], dicom(without=("Rows",)), b""):
        refusals = [
            await client.post(path, files={"file": data}) for path in ("/dicom/report", "/predict")
        ]
        assert refusals[0].status_code == 422
        assert refusals[0].json()["code"] == refusals[1].json()["code"]


async def test_it_is_limited_as_every_way_to_a_verdict_is() -> None:
    app = create_app(Settings(threads=1, rate_limit=0.01), load=fake_ensemble)
    async with client_of(app) as client:
        parts_of(await client.post("/dicom/report", files={"file": dicom()}))
        answer = await client.post("/dicom/report", files={"file": dicom()})
        assert_problem(answer, 429, "rate_limited")


async def test_no_identity_reaches_log_or_headers(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await client.post("/dicom/report", files={"file": ("Jane.dcm", dicom())})
    parts_of(answer)
    for secret in ("Núñez", "7-301", "Jane", STUDY):
        assert secret not in caplog.text + str(answer.headers)
    assert answer.headers["cache-control"] == "no-store"
