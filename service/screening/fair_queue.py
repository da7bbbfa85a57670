"""A queue in which clients take turns, so that nobody waits behind all that another has sent."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FairQueue(Generic[K, V]):
    """What waits, by client: clients give one item each in turn, and each its own in their order.

    With one client it is first in, first out. With several, an item waits for its client's earlier
    ones and for no more of anybody else's than of its own: round robin, as J. Nagle proposed for
    packets (RFC 970). It is not safe for threads.
    """

    def __init__(self) -> None:
        self._turns: OrderedDict[str, OrderedDict[K, V]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._turns)

    def __iter__(self) -> Iterator[K]:
        for items in self._turns.values():
            yield from items

    def put(self, client: str, key: K, value: V) -> None:
        """Add an item; a client that had none is the last to have its turn."""
        self._turns.setdefault(client, OrderedDict())[key] = value

    def pop(self) -> tuple[K, V]:
        """Remove and return the next item.

        Raises:
            KeyError: There is none.
        """
        client, items = self._turns.popitem(last=False)
        found = items.popitem(last=False)
        if items:
            self._turns[client] = items
        return found

    def remove(self, client: str, key: K) -> None:
        """Remove an item, if it still waits."""
        items = self._turns.get(client, OrderedDict())
        items.pop(key, None)
        if not items:
            self._turns.pop(client, None)
