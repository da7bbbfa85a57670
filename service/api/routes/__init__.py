"""HTTP in and out: parse, delegate, shape the answer."""
