"""A client of DICOMweb: STOW-RS sends, QIDO-RS finds, WADO-RS fetches.

PS3.18, chapters 10.4 (retrieve), 10.5 (store), 10.6 (search).
"""

import json
import ssl
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from service.hospital.node.delivery import Outcome, UnreachableError
from service.hospital.node.multipart import MultipartError, Parts, boundary_of
from service.hospital.results.related import DICOM, related

TIMEOUT: Final = httpx.Timeout(60, connect=15)
JSON: Final = "application/dicom+json"
PAGE: Final = 100
"""Answers that a search asks for at once."""

MAX_SEARCH_BYTES: Final = 16 * 1024 * 1024
"""Most that the answer to a search may have."""

FAILED_SEQUENCE: Final = "00081198"
_NOT_THIS_FILE: Final = frozenset({400, 409, 413, 415})
_NOT_THERE: Final = frozenset({400, 404, 406, 409, 410, 413})
"""Statuses that are about what was sent or asked for; others are about the service."""

_INSTANCE: Final = "00081155"
_REASON: Final = "00081197"


class WebError(Exception):
    """A DICOMweb service did not answer as it should.

    Attributes:
        code: Stable name of the reason, for the log.
        about_object: Whether it is about what was asked for, and not about the service.
    """

    def __init__(self, code: str, *, about_object: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.about_object = about_object


def _status_error(response: httpx.Response, about_object: Collection[int] = ()) -> WebError:
    status = response.status_code
    return WebError(f"http_{status}", about_object=status in about_object)


@dataclass(frozen=True, slots=True)
class Access:
    """How a DICOMweb service knows us.

    Attributes:
        user: Name for HTTP Basic authentication.
        password: Its password.
        token: A bearer token instead.
    """

    user: str | None = None
    password: str | None = None
    token: str | None = None


class DicomWeb:
    """A DICOMweb service. Safe for several threads.

    Args:
        root: Its address, such as ``https://pacs/dicom-web``.
        access: How it knows us.
        context: How its certificate is checked.
        transport: Carries requests; by default a pool of connections.
    """

    def __init__(
        self,
        root: str,
        *,
        access: Access,
        context: ssl.SSLContext,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
        basic = (access.user, access.password or "") if access.user and not access.token else None
        self._client = httpx.Client(
            base_url=root.rstrip("/") + "/",
            headers=headers,
            auth=basic,
            verify=context,
            timeout=TIMEOUT,
            transport=transport,
            trust_env=False,  # a proxy of the environment is for the internet, not for the PACS
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def store(self, files: Sequence[Path]) -> dict[str, str]:
        """Send files (STOW-RS).

        Returns:
            For each instance that was not taken, by its UID, a stable name of the reason.

        Raises:
            WebError: None was taken, or no answer came.
        """
        content_type, body = related(file.read_bytes() for file in files)
        headers = {"Content-Type": content_type, "Accept": JSON}
        try:
            response = self._client.post("studies", headers=headers, content=body)
        except httpx.HTTPError as error:
            raise WebError(_name(error)) from None
        if response.status_code not in {200, 202, 409}:
            raise _status_error(response, _NOT_THIS_FILE)
        failed = _failures(response)
        if response.status_code == 409 and not failed:
            raise _status_error(response, _NOT_THIS_FILE)
        return failed

    def search(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Search (QIDO-RS): each match, by tag, however many pages they fill.

        Raises:
            WebError: No answer came, or none that can be read.
        """
        offset = 0
        while page := self._page(path, {**query, "limit": str(PAGE), "offset": str(offset)}):
            yield from page
            if len(page) < PAGE:
                return
            offset += len(page)

    def retrieve(self, study: str, series: str, instance: str, *, max_bytes: int) -> bytes:
        """Fetch the file of an instance, encoded as it is there (WADO-RS).

        Raises:
            WebError: It did not come, or is too large.
        """
        path = f"studies/{study}/series/{series}/instances/{instance}"
        accept = f'multipart/related; type="{DICOM}"; transfer-syntax=*'
        try:
            with self._client.stream("GET", path, headers={"Accept": accept}) as response:
                if response.status_code != 200:
                    raise _status_error(response, _NOT_THERE)
                boundary = boundary_of(response.headers.get("Content-Type", ""))
                parts = Parts(boundary, max_bytes=max_bytes)
                for chunk in response.iter_bytes():
                    for part in parts.feed(chunk):
                        return part
        except httpx.HTTPError as error:
            raise WebError(_name(error)) from None
        except MultipartError as error:
            code = "too_large" if error.too_large else "not_multipart"
            raise WebError(code, about_object=True) from None
        raise WebError("no_part", about_object=True)

    def _page(self, path: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        body = bytearray()
        try:
            with self._client.stream(
                "GET", path, params=query, headers={"Accept": JSON}
            ) as response:
                if response.status_code == 204:
                    return []
                if response.status_code not in {200, 206}:
                    raise _status_error(response)
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_SEARCH_BYTES:
                        raise WebError("too_large")
        except httpx.HTTPError as error:
            raise WebError(_name(error)) from None
        return _matches(bytes(body))


class WebDestination:
    """A PACS that receives by STOW-RS.

    Args:
        service: The PACS.
    """

    def __init__(self, service: DicomWeb) -> None:
        self._service = service

    def send(self, files: Mapping[str, Path]) -> Outcome:
        """Send all in one request; see ``Destination``."""
        try:
            failed = self._service.store(list(files.values()))
        except WebError as error:
            if error.about_object:
                return Outcome(rejected=dict.fromkeys(files, error.code))
            raise UnreachableError(error.code) from None
        return Outcome(
            delivered=tuple(uid for uid in files if uid not in failed),
            rejected={uid: failed[uid] for uid in files if uid in failed},
        )


def value_of(match: Mapping[str, Any], tag: str) -> str:
    """The first value of an element of a match, as text; empty if it has none."""
    element = match.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return str(values[0]) if isinstance(values, list) and values else ""


def _matches(body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body)
    except ValueError:
        raise WebError("not_json") from None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise WebError("not_json")
    return found


def _failures(response: httpx.Response) -> dict[str, str]:
    """What the answer to a STOW-RS says was not stored; none if it says nothing readable."""
    try:
        body = response.json()
    except ValueError:
        return {}
    dataset = body[0] if isinstance(body, list) and body else body
    element = dataset.get(FAILED_SEQUENCE, {}) if isinstance(dataset, dict) else {}
    items = element.get("Value", []) if isinstance(element, dict) else []
    reasons = ((value_of(each, _INSTANCE), value_of(each, _REASON)) for each in items)
    return {uid: f"reason_{reason or 'unknown'}" for uid, reason in reasons}


def _name(error: httpx.HTTPError) -> str:
    """What went wrong, without the address that the error's text may name."""
    return "timeout" if isinstance(error, httpx.TimeoutException) else type(error).__name__
