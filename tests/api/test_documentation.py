from service import errors
from service.api.documentation import file_upload, problems


def test_problems_of_one_status_are_one_response_with_an_example_each() -> None:
    responses = problems(errors.QueueFullError, errors.WaitTooLongError)
    assert list(responses) == [503]
    content = responses[503]["content"]["application/problem+json"]
    assert list(content["examples"]) == ["queue_full", "wait_too_long"]
    assert "Retry-After" in responses[503]["headers"]


def test_only_what_may_succeed_later_names_retry_after() -> None:
    assert "Retry-After" not in problems(errors.MissingFileError)[400]["headers"]


def test_an_upload_is_a_binary_form_field() -> None:
    body = file_upload(field="file", description="An image.")["requestBody"]
    schema = body["content"]["multipart/form-data"]["schema"]
    assert schema["required"] == ["file"]
    assert schema["properties"]["file"]["format"] == "binary"


def test_an_upload_of_several_is_a_list_of_them() -> None:
    body = file_upload(field="files", description="Images.", most=4)["requestBody"]
    field = body["content"]["multipart/form-data"]["schema"]["properties"]["files"]
    assert field["items"] == {"type": "string", "format": "binary"}
    assert (field["minItems"], field["maxItems"]) == (1, 4)


def test_text_fields_may_stand_beside_the_file() -> None:
    texts = {"note": {"type": "string", "maxLength": 9}}
    body = file_upload(field="file", description="An image.", texts=texts)["requestBody"]
    schema = body["content"]["multipart/form-data"]["schema"]
    assert schema["properties"].keys() == {"file", "note"}
    assert schema["properties"]["note"]["maxLength"] == 9
    assert schema["required"] == ["file"]
