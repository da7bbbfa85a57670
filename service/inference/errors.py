"""What goes wrong between a models folder and a score."""

from service.errors import ModelUnavailableError, ServiceError


class BundleError(ModelUnavailableError):
    """A models folder that must not be served, or a network that does not answer as it should.

    The message may name files inside the bundle; it never holds a folder's path.
    """


class NotExplainableError(ServiceError):
    """These networks allow no class activation map; the message says why."""

    code = "not_explainable"
    status = 422
    title = "No map for this model"

    def __init__(
        self,
        message: str = "A class activation map needs networks that end in global average pooling "
        "and one dense unit, and not all of these do.",
    ) -> None:
        super().__init__(message)
