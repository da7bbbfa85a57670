"""The use case: bytes of a radiograph in, one verdict out."""
