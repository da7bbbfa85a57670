import io
import logging

import httpx
import pypdf
import pytest

from service.api.app import create_app
from service.report import MAX_NOTE, MAX_REFERENCE
from service.settings import Settings
from tests.api.routes.test_predict import BAD_FILES
from tests.fake_engine import FakeEngine, fake_ensemble
from tests.serving import FORM_TYPE, assert_problem, client_of, form, part, radiograph

pytestmark = pytest.mark.anyio


def text_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    [page] = pypdf.PdfReader(io.BytesIO(answer.content), strict=True).pages
    return " ".join(page.extract_text().split())


async def test_the_report_has_the_figures_of_predict(client: httpx.AsyncClient) -> None:
    for data in (radiograph(1), radiograph(4, "JPEG")):
        text = text_of(await client.post("/report?lang=en", files={"file": data}))
        verdict = (await client.post("/predict", files={"file": data})).json()
        assert f"class {verdict['predicted_class']}." in text
        assert f"Probability of pneumonia {verdict['probability']:.4f}" in text
        assert f"the threshold of {verdict['threshold']:.4f}" in text
        for member in verdict["members"]:
            assert f"Network “{member['name']}”: {member['probability']:.4f}" in text
        assert verdict["image"]["sha256"] in text
        assert verdict["model"]["digest"] in text


@pytest.mark.parametrize(
    ("query", "header", "language"),
    [
        ("", None, "en"),
        ("", "es-ES,es;q=0.9", "es"),
        ("?lang=es", "en", "es"),
        ("?lang=en", "es", "en"),
    ],
)
async def test_its_language_is_the_one_asked_for(
    client: httpx.AsyncClient, query: str, header: str | None, language: str
) -> None:
    headers = {"Accept-Language": header} if header else {}
    answer = await client.post(f"/report{query}", files={"file": radiograph()}, headers=headers)
    title = {"en": "Chest X-ray", "es": "Radiografía de tórax"}[language]
    assert title in text_of(answer)
    assert answer.headers["content-language"] == language


async def test_it_is_kept_by_nobody_and_named_after_nobody(client: httpx.AsyncClient) -> None:
    file = ("Jane Doe.png", radiograph(1))
    answer = await client.post("/report", files={"file": file}, data={"reference": "Jane"})
    assert answer.headers["cache-control"] == "no-store"
    assert "Jane" not in str(answer.headers)
    sha256 = (await client.post("/predict", files={"file": file})).json()["image"]["sha256"]
    assert f'filename="pneumonia-xray-{sha256[:8]}.pdf"' in answer.headers["content-disposition"]
    assert f"Request {answer.headers['x-request-id']}" in text_of(answer)


async def test_reference_and_note_are_printed_and_logged_nowhere(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    typed = {"reference": "Núñez 17", "note": "Fiebre desde ayer."}
    text = text_of(await client.post("/report", files={"file": radiograph()}, data=typed))
    assert "Reference: Núñez 17" in text
    assert "Fiebre desde ayer." in text
    assert "Núñez" not in caplog.text
    assert "Fiebre" not in caplog.text
    assert "Núñez" not in text_of(await client.post("/report", files={"file": radiograph()}))


async def test_without_a_map_the_report_says_so() -> None:
    app = create_app(Settings(threads=1), load=lambda: fake_ensemble(FakeEngine(explains=False)))
    async with client_of(app) as client:
        text = text_of(await client.post("/report", files={"file": radiograph()}))
    assert "No class activation map" in text
    assert "These networks are made of numpy." in text


class TestRefusals:
    @pytest.mark.parametrize("case", BAD_FILES)
    async def test_a_bad_file_is_refused_as_by_predict(
        self, client: httpx.AsyncClient, case: str
    ) -> None:
        content, status, code = BAD_FILES[case]
        answer = await client.post("/report", files={"file": content}, data={"note": "Jane"})
        assert_problem(answer, status, code)

    @pytest.mark.parametrize(
        ("field", "longest"), [("reference", MAX_REFERENCE), ("note", MAX_NOTE)]
    )
    async def test_a_text_may_be_so_long_and_no_longer(
        self, client: httpx.AsyncClient, field: str, longest: int
    ) -> None:
        files = {"file": radiograph()}
        fits = await client.post("/report", files=files, data={field: "ñ" * longest})
        assert fits.status_code == 200
        over = await client.post("/report", files=files, data={field: "ñ" * (longest + 1)})
        body = assert_problem(over, 422, "invalid_field")
        assert f"'{field}'" in body["detail"]
        assert str(longest) in body["detail"]
        assert "ñ" not in over.text

    async def test_a_text_in_another_encoding_is_refused(self, client: httpx.AsyncClient) -> None:
        note = part("ñ".encode("latin-1"), "note", filename=None)
        answer = await client.post(
            "/report",
            content=form(part(radiograph()), note),
            headers={"Content-Type": FORM_TYPE},
        )
        assert_problem(answer, 422, "invalid_field")

    async def test_a_problem_is_in_the_language_asked_for(self, client: httpx.AsyncClient) -> None:
        headers = {"Accept-Language": "en"}
        gif = {"file": b"GIF89a" + bytes(100)}
        answer = await client.post("/report?lang=es", files=gif, headers=headers)
        assert answer.headers["content-language"] == "es"
        assert "GIF" in assert_problem(answer, 415, "unsupported_format")["detail"]
        assert "Guárdela en otro formato" in answer.json()["detail"]

    async def test_a_language_that_it_does_not_speak_is_refused(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/report?lang=fr", files={"file": radiograph()})
        assert_problem(answer, 422, "invalid_request")
