"""Why a request or a file is refused: one exception for each reason.

``imaging`` and ``inference`` derive theirs from ``ServiceError`` as well, so that the API, the CLI
and the report handle one kind of error.
"""

from typing import ClassVar


class ServiceError(Exception):
    """A request or a file that is refused, with the reason in words.

    Attributes:
        code: Stable name of the reason, for programs; the key of its text in ``service.i18n``.
        status: HTTP status of the answer.
        title: Short English name of the reason.
        message: One sentence for people. It holds nothing of the request's content, no path and no
            library's own words: it reaches the client unchanged.
        retry_after_s: Whole seconds after which the same request may succeed; None if it will not.
        text_key: Which of the texts under the code says the same in another language; given as
            ``reason``.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    retry_after_s: int | None = None
    text_key: str = "detail"

    def __init__(
        self, message: str, *, retry_after_s: int | None = None, reason: str = "detail"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.text_key = reason
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


class MalformedRequestError(ServiceError):
    """The bytes on the connection are not valid HTTP."""

    code = "malformed_request"
    status = 400
    title = "Not valid HTTP"


class NotMultipartError(ServiceError):
    """The request is not a multipart/form-data upload."""

    code = "not_multipart"
    status = 400
    title = "Not a file upload"


class MalformedMultipartError(ServiceError):
    """The upload violates the multipart format or ends early."""

    code = "malformed_multipart"
    status = 400
    title = "Malformed upload"


class MissingFileError(ServiceError):
    """The upload is well-formed but has no file in the expected field."""

    code = "missing_file"
    status = 400
    title = "No file in the upload"


class SeveralFilesError(ServiceError):
    """More than one file where the verdict is about one."""

    code = "several_files"
    status = 400
    title = "Several files where one is expected"


class TooManyFilesError(ServiceError):
    """More files than one batch may hold."""

    code = "too_many_files"
    status = 400
    title = "Too many files"


class UnauthorizedError(ServiceError):
    """The service requires a key, and the request has none that is valid."""

    code = "unauthorized"
    status = 401
    title = "Key missing or not valid"


class NotFoundError(ServiceError):
    """No route of that path."""

    code = "not_found"
    status = 404
    title = "Nothing at this address"


class MethodNotAllowedError(ServiceError):
    """A route of that path, but not for that method."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"


class UploadTooSlowError(ServiceError):
    """The upload exceeded its time limit or fell below the slowest speed."""

    code = "upload_too_slow"
    status = 408
    title = "Upload too slow"


class FileTooLargeError(ServiceError):
    """A file, or the whole upload, has more bytes than are accepted."""

    code = "too_large"
    status = 413
    title = "Upload too large"


class NotDicomError(ServiceError):
    """An image of another format where a DICOM file is needed."""

    code = "not_dicom"
    status = 415
    title = "Not a DICOM file"


class EmptyFileError(ServiceError):
    """A file of zero bytes."""

    code = "empty_file"
    status = 422
    title = "Empty file"


class NotAChestRadiographError(ServiceError):
    """A picture that is not a frontal chest film; the reason is as ``service.lungs`` names it."""

    code = "not_a_chest_radiograph"
    status = 422
    title = "Not a frontal chest X-ray"


class InvalidFieldError(ServiceError):
    """A text field of the form that is too long, sent twice, or not text."""

    code = "invalid_field"
    status = 422
    title = "Invalid form field"


class InvalidRequestError(ServiceError):
    """A request that the web framework rejects, for any other reason."""

    code = "invalid_request"
    status = 422
    title = "Invalid request"


class RateLimitedError(ServiceError):
    """The client sends more than its rate limit allows."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"


class HeadersTooLargeError(ServiceError):
    """The headers of a request have more bytes than are accepted."""

    code = "headers_too_large"
    status = 431
    title = "Headers too large"


class ClientGoneError(ServiceError):
    """The client closed the connection; nobody is left to read an answer."""

    code = "client_gone"
    status = 499
    title = "Client closed the connection"


class InternalError(ServiceError):
    """Stands for any unexpected exception: a bug."""

    code = "internal_error"
    status = 500
    title = "Internal error"


class QueueFullError(ServiceError):
    """Every inference thread is busy and the queue is full."""

    code = "queue_full"
    status = 503
    title = "Queue full"


class WaitTooLongError(ServiceError):
    """The request waited in the queue until its deadline."""

    code = "wait_too_long"
    status = 503
    title = "Waited too long"


class UploadsFullError(ServiceError):
    """The uploads in flight fill the memory that is set aside for them."""

    code = "uploads_full"
    status = 503
    title = "Too many uploads at once"
    retry_after_s = 5


class ShuttingDownError(ServiceError):
    """The service finishes what is in flight and accepts nothing new."""

    code = "shutting_down"
    status = 503
    title = "Shutting down"
    retry_after_s = 5


class ModelNotReadyError(ServiceError):
    """The bundle is still being verified, loaded and warmed."""

    code = "model_not_ready"
    status = 503
    title = "Model not ready"
    retry_after_s = 5


class ModelUnavailableError(ServiceError):
    """There is no model to answer with: the bundle failed its check."""

    code = "model_unavailable"
    status = 503
    title = "Model unavailable"
    retry_after_s = 60


class AuditUnavailableError(ServiceError):
    """The audit log cannot be written, and no verdict leaves without its line there."""

    code = "audit_unavailable"
    status = 503
    title = "Audit log unavailable"
    retry_after_s = 30


class OutOfMemoryError(ServiceError):
    """There was not enough memory for the work."""

    code = "out_of_memory"
    status = 503
    title = "Out of memory"
    retry_after_s = 5
