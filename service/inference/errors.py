"""What goes wrong between a models folder and a score."""


class BundleError(Exception):
    """A models folder that must not be served, or a network that does not answer as it should.

    Attributes:
        message: One or two sentences for operators and clients. It may name files inside the
            bundle; it never holds a folder's path or a library's own words.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotExplainableError(Exception):
    """There is no class activation map to be had of these networks.

    Attributes:
        message: One sentence for people that says why.
    """

    def __init__(
        self,
        message: str = "A class activation map needs networks that end in global average pooling "
        "and one dense unit, and not all of these do.",
    ) -> None:
        super().__init__(message)
        self.message = message
