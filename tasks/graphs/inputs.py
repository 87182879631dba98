"""Where the items of a run come from: read once to check and count them, then as a stream."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.graphs.keys import canonical
from tasks.graphs.model import GraphInput
from tasks.graphs.step import Item
from tasks.item_input import items_of
from tasks.item_reading import Survey, surveyed


@dataclass(frozen=True, slots=True)
class Source:
    """The items of a run."""

    name: str
    survey: Survey
    digest: str
    """SHA-256 over all items."""
    given: GraphInput

    def items(self) -> Iterator[Item]:
        """All items, from the first one."""
        return items_of(self.given)


def opened(given: GraphInput) -> Source:
    """The items that an input gives, read through once.

    Raises:
        InputError: There are none, or one is malformed; with its place.
    """
    name = given.source or ("texts" if given.texts else "items")
    sha256 = hashlib.sha256()

    def counted() -> Iterator[Item]:
        for item in items_of(given):
            sha256.update(canonical(item))
            yield item

    survey = surveyed(counted(), name)
    return Source(name, survey, sha256.hexdigest(), given)
