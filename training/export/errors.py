"""What goes wrong on the way from networks to graphs."""

from training.data import DataError


class CompileError(DataError):
    """Compiled graphs do not agree with Keras; nothing was written."""
