"""Bytes of a chest X-ray come in over HTTP, two networks look at it, one verdict goes out."""

__version__ = "1.0.0"
