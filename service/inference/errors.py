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
