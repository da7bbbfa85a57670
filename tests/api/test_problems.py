import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service import errors, imaging
from service.api.problems import Problem, known_errors, problem_of, problem_response
from service.errors import ServiceError
from service.i18n import Language, texts
from service.inference import BundleError, NotExplainableError

ERRORS = sorted(known_errors(), key=lambda kind: kind.code)


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_a_status_and_a_title(kind: type[ServiceError]) -> None:
    assert 400 <= kind.status < 600
    assert kind.title


def test_a_code_means_one_thing() -> None:
    meanings = {(kind.code, kind.status, kind.title) for kind in ERRORS}
    assert len(meanings) == len({kind.code for kind in ERRORS})


def test_a_problem_says_what_rfc_9457_asks_for_and_no_more() -> None:
    problem = problem_of(imaging.CorruptImageError("The image is damaged."), "r1")
    assert problem == Problem(
        type="urn:problem-type:pneumonia-xray:corrupt_image",
        title="Corrupt image",
        status=422,
        detail="The image is damaged.",
        code="corrupt_image",
        request_id="r1",
    )


def test_a_class_below_one_of_the_table_is_answered_like_it() -> None:
    class StrangerError(imaging.CorruptImageError):
        pass

    assert problem_of(StrangerError("Strange."), "r1").status == 422


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (HTTPException(404, "secret"), 404, "not_found"),
        (HTTPException(405, "secret"), 405, "method_not_allowed"),
        (HTTPException(418, "secret"), 422, "invalid_request"),
        (
            RequestValidationError([{"type": "secret", "loc": ("query", "x"), "msg": "secret"}]),
            422,
            "invalid_request",
        ),
        (MemoryError("secret"), 503, "out_of_memory"),
        (ZeroDivisionError("secret"), 500, "internal_error"),
        (OSError(2, "secret", "/secret"), 500, "internal_error"),
    ],
)
def test_texts_that_were_not_written_for_clients_do_not_reach_them(
    error: Exception, status: int, code: str
) -> None:
    problem = problem_of(error, "r1")
    assert (problem.status, problem.code) == (status, code)
    assert "secret" not in problem.model_dump_json()


def test_a_network_that_gives_no_probability_makes_the_model_unavailable() -> None:
    problem = problem_of(BundleError("The network x.keras gave no probability."), "r1")
    assert (problem.status, problem.code) == (503, "model_unavailable")
    assert "x.keras" in problem.detail


def test_the_answer_is_problem_json_with_retry_after() -> None:
    error = errors.QueueFullError("Full.", retry_after_s=7)
    response = problem_response(error, "r1")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "7"
    assert json.loads(bytes(response.body))["code"] == "queue_full"


def test_the_methods_that_are_allowed_stay_in_the_answer() -> None:
    response = problem_response(HTTPException(405, headers={"Allow": "POST"}), "r1")
    assert response.headers["allow"] == "POST"


def test_networks_without_maps_are_a_problem_with_their_reason() -> None:
    problem = problem_of(NotExplainableError("They end otherwise."), "r1")
    assert (problem.status, problem.code) == (422, "not_explainable")
    assert problem.detail == "They end otherwise."


class TestInvalidParameters:
    def told(self, *wrong: dict[str, Any], language: Language = "en") -> list[dict[str, Any]]:
        problem = problem_of(RequestValidationError(wrong), "r1", language)
        found: list[dict[str, Any]] = problem.model_dump(mode="json")["errors"]
        return found

    def wrong(self, kind: str, **context: object) -> dict[str, Any]:
        where = ("query", "opacity")
        return {"type": kind, "loc": where, "msg": "secret", "input": "secret", "ctx": context}

    @pytest.mark.parametrize(
        ("kind", "context", "english", "spanish"),
        [
            ("less_than_equal", {"le": 1.0}, "at most 1.0.", "como máximo 1.0."),
            ("greater_than_equal", {"ge": 0.0}, "at least 0.0.", "como mínimo 0.0."),
            ("greater_than", {"gt": 0.0}, "more than 0.0.", "mayor que 0.0."),
            ("less_than", {"lt": 1.0}, "less than 1.0.", "menor que 1.0."),
            ("literal_error", {"expected": "'a' or 'b'"}, "'a', 'b'.", "'a', 'b'."),
            ("float_parsing", {}, "a number.", "un número."),
            ("missing", {}, "It is missing.", "Falta."),
            ("something_else", {}, "/docs describes.", "describe /docs."),
        ],
    )
    def test_each_is_named_with_what_it_must_be(
        self, kind: str, context: dict[str, Any], english: str, spanish: str
    ) -> None:
        wrong = self.wrong(kind, **context)
        [told] = self.told(wrong)
        assert told["loc"] == ["query", "opacity"]
        assert told["detail"].endswith(english)
        [told] = self.told(wrong, language="es")
        assert told["detail"].endswith(spanish)

    def test_all_are_named_and_no_value_is_repeated(self) -> None:
        told = self.told(self.wrong("missing"), self.wrong("float_parsing"))
        assert len(told) == 2
        assert "secret" not in str(told)

    def test_no_other_problem_has_any(self) -> None:
        problem = problem_of(imaging.CorruptImageError("Damaged."), "r1")
        assert "errors" not in problem.model_dump()


class TestSpanish:
    @pytest.mark.parametrize("kind", ERRORS)
    def test_every_problem_has_a_text(self, kind: type[ServiceError]) -> None:
        english = problem_of(kind("The reason."), "r1")
        spanish = problem_of(kind("The reason."), "r1", "es")
        assert spanish.title != english.title
        assert spanish.detail.endswith(".")
        assert "{" not in spanish.detail
        told = texts("es")["problems"][f"{english.code}.detail"]
        assert spanish.detail == told.format(detail="The reason.")
        unchanged = {"type", "status", "code", "request_id"}
        assert spanish.model_dump(include=unchanged) == english.model_dump(include=unchanged)

    def test_nothing_is_told_that_no_problem_needs(self) -> None:
        codes = {kind.code for kind in ERRORS}
        assert {key.split(".")[0] for key in texts("es")["problems"]} == codes

    @pytest.mark.parametrize("language", ["en", "es"])
    def test_an_answer_names_its_language(self, language: Language) -> None:
        answer = problem_response(imaging.CorruptImageError("Damaged."), "r1", language)
        assert answer.headers["content-language"] == language
