"""Hand-over between threads: bounded, and ended from either side, so that nobody waits for ever."""

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):  # noqa: N818 -- a fact, not an error
    """Nothing more goes in, or nothing more comes out."""


class Channel(Generic[Item]):
    """A queue that holds a limited number of things."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Add one; waits while the channel is full.

        Raises:
            Closed: The channel was closed, before or while waiting.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if self._closed:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    def get(self) -> Item:
        """Take the oldest; waits while there is none.

        Raises:
            Closed: The channel was closed, and all was taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if not self._items:
                raise Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self, drop: bool = False) -> None:
        """Let nothing more in; `drop` forgets what was not taken yet, too."""
        with self._changed:
            self._closed = True
            if drop:
                self._items.clear()
            self._changed.notify_all()


class Budget:
    """How many things, and how many bytes, may be under way at once."""

    def __init__(self, things: int, size: int) -> None:
        self._things = things
        self._size = size
        self._closed = False
        self._changed = threading.Condition()
        self.used_things = 0
        self.used_size = 0

    def take(self, size: int) -> None:
        """Wait until there is room; one thing alone may be of any size.

        Raises:
            Closed: The budget was closed, before or while waiting.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(size))
            if self._closed:
                raise Closed
            self.used_things += 1
            self.used_size += size

    def _has_room(self, size: int) -> bool:
        alone = self.used_things == 0
        return alone or (self.used_things < self._things and self.used_size + size <= self._size)

    def give_back(self, size: int) -> None:
        """One thing of that size is done."""
        with self._changed:
            self.used_things -= 1
            self.used_size -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
