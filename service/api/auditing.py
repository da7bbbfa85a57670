"""No verdict leaves before its line is in the audit log."""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem_response
from service.errors import AuditUnavailableError
from service.i18n import negotiate_language
from service.observability.audit import AuditLog, audit_entries
from service.observability.record import ImageRecord, RequestRecord, current_record

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditMiddleware:
    """Enters verdicts and refusals in the audit log, and holds their answer until that is done.

    An answer with a verdict that cannot be entered becomes a 503. Refusals leave in any case.

    Attributes:
        app: The application.
        audit: The log.
        routes: Templates of the routes whose refusals are entered too, whether or not a file was
            read.
    """

    app: ASGIApp
    audit: AuditLog
    routes: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI defines it."""
        record = current_record()
        if scope["type"] != "http" or record is None:
            await self.app(scope, receive, send)
            return
        entered: list[ImageRecord] = []
        status: int | None = None
        withheld = False

        async def send_audited(message: Message) -> None:
            nonlocal status, withheld
            if withheld:
                return
            starts = message["type"] == "http.response.start"
            if starts:
                status = message["status"]
            # A stream has more of them with each part.
            decided = [image for image in tuple(record.images) if image.verdict or image.problem]
            images = [image for image in decided if image not in entered]
            entered.extend(images)
            if (images or (starts and record.route in self.routes)) and status is not None:
                error = await self._enter(record, status, images)
                if error and not starts:
                    raise error
                if error:
                    withheld = True
                    language = negotiate_language(Headers(scope=scope).get("accept-language"))
                    answer = problem_response(error, scope["state"]["request_id"], language)
                    await answer(scope, receive, send)
                    return
            await send(message)

        await self.app(scope, receive, send_audited)

    async def _enter(
        self, record: RequestRecord, status: int, images: list[ImageRecord]
    ) -> AuditUnavailableError | None:
        """Enter an answer; the reason to withhold it if that fails."""
        entries = audit_entries(record, status, images)
        try:
            if entries:
                await self.audit.write(entries)
        except OSError:  # logged by the log's own thread
            if any(image.verdict for image in images):
                return AuditUnavailableError(
                    "The audit log cannot be written at the moment, and no verdict is given "
                    "without it. Please tell the operator of the service, and try again."
                )
        return None
