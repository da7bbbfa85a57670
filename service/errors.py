"""Why a request is not served: one exception for each reason, in words for the person who sent it.

What is wrong with the *image* is said by ``service.imaging.errors``. The statuses that go with
these classes are in ``service.api.problems``.
"""

from typing import ClassVar


class RefusalError(Exception):
    """A request that is not served.

    Attributes:
        code: Stable name of the reason, for programs.
        message: One sentence for people. It holds nothing of the request's content.
        retry_after_s: Whole seconds after which the same request may succeed; None if it will not.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class NotFoundError(RefusalError):
    """No route of that path."""

    code = "not_found"


class MethodNotAllowedError(RefusalError):
    """A route of that path, but not for that method."""

    code = "method_not_allowed"


class MalformedRequestError(RefusalError):
    """What came over the connection is not HTTP."""

    code = "malformed_request"


class InvalidRequestError(RefusalError):
    """A request that the web framework would not take, for whatever other reason."""

    code = "invalid_request"


class InternalError(RefusalError):
    """Stands for any exception that nobody foresaw: a bug."""

    code = "internal_error"


class OutOfMemoryError(RefusalError):
    """There was not enough memory for the work."""

    code = "out_of_memory"


class UnauthorizedError(RefusalError):
    """The service takes requests with a key only, and this one has none that it knows."""

    code = "unauthorized"


class NotMultipartError(RefusalError):
    """The request is no multipart/form-data upload."""

    code = "not_multipart"


class MalformedMultipartError(RefusalError):
    """The upload contradicts the multipart format or breaks off."""

    code = "malformed_multipart"


class MissingFileError(RefusalError):
    """The upload is in order but has no part of the expected name."""

    code = "missing_file"


class SeveralFilesError(RefusalError):
    """More than one file where the verdict is about one."""

    code = "several_files"


class InvalidFieldError(RefusalError):
    """A text field of the form that is too long, sent twice, or no text."""

    code = "invalid_field"


class NotExplainableError(RefusalError):
    """The networks that answer allow no class activation map."""

    code = "not_explainable"


class UploadTooSlowError(RefusalError):
    """The upload took longer, or came more slowly, than is waited for."""

    code = "upload_too_slow"


class FileTooLargeError(RefusalError):
    """A file, or the whole upload, has more bytes than are accepted."""

    code = "too_large"


class TooManyFilesError(RefusalError):
    """More files than one batch may hold."""

    code = "too_many_files"


class EmptyFileError(RefusalError):
    """A file of zero bytes."""

    code = "empty_file"


class ClientGoneError(RefusalError):
    """The client closed the connection; nobody is left to read an answer."""

    code = "client_gone"


class QueueFullError(RefusalError):
    """Every inference thread is busy and every waiting place is taken."""

    code = "queue_full"


class WaitTooLongError(RefusalError):
    """The request waited in the queue until its deadline."""

    code = "wait_too_long"


class UploadsFullError(RefusalError):
    """The uploads under way fill the memory that is set aside for them."""

    code = "uploads_full"


class ShuttingDownError(RefusalError):
    """The service finishes what it has and takes nothing new."""

    code = "shutting_down"


class ModelNotReadyError(RefusalError):
    """The bundle is still being verified, loaded and warmed."""

    code = "model_not_ready"


class ModelUnavailableError(RefusalError):
    """The bundle failed its check, so that there is no model to answer with."""

    code = "model_unavailable"
