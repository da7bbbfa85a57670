from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.screening.fair_queue import FairQueue


def queue_of(*names: str) -> FairQueue[str, str]:
    """A queue of items such as "a1", whose first letter is their client."""
    queue: FairQueue[str, str] = FairQueue()
    for name in names:
        queue.put(name[0], name, name.upper())
    return queue


def emptied(queue: FairQueue[str, str]) -> list[str]:
    keys = []
    while queue:
        key, value = queue.pop()
        assert value == key.upper()
        keys.append(key)
    return keys


def test_one_client_is_served_in_order() -> None:
    assert emptied(queue_of("a1", "a2", "a3")) == ["a1", "a2", "a3"]


def test_clients_take_turns_and_keep_their_own_order() -> None:
    queue = queue_of("a1", "a2", "a3", "b1", "a4", "c1", "b2")
    assert emptied(queue) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_who_comes_back_is_last_in_turn() -> None:
    queue = queue_of("a1", "a2", "b1")
    assert queue.pop()[0] == "a1"
    queue.put("c", "c1", "C1")
    assert emptied(queue) == ["b1", "a2", "c1"]


def test_a_client_without_items_keeps_no_turn() -> None:
    queue = queue_of("a1", "b1", "b2")
    queue.remove("a", "a1")
    queue.remove("a", "a1")  # whatever waits no longer
    queue.remove("b", "b1")
    assert [*queue] == ["b2"]
    assert emptied(queue) == ["b2"]
    with pytest.raises(KeyError):
        queue.pop()


@given(st.lists(st.sampled_from("abcd"), max_size=40))
def test_nobody_waits_for_more_of_another_than_of_himself(clients: list[str]) -> None:
    names = [f"{client}{place}" for place, client in enumerate(clients)]
    order = emptied(queue_of(*names))
    assert sorted(order) == sorted(names)
    served: Counter[str] = Counter()
    for name in order:
        served[name[0]] += 1
        assert max(served.values()) == served[name[0]]
