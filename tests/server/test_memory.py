"""What is there once the model is loaded is spared from garbage collection."""

import gc

from service.server.memory import settle


def test_what_is_there_is_never_searched_again() -> None:
    gc.unfreeze()
    kept: list[list[object]] = [[] for _ in range(1000)]
    try:
        settle()
        assert gc.get_freeze_count() > len(kept)
    finally:
        gc.unfreeze()
