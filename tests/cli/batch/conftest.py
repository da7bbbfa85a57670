"""These tests need the extra ``ray``, which is in no lock; without it they are left out."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("ray") and find_spec("pyarrow") else ["test_*.py"]
