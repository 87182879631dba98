"""ffindex databases: many small entries in one file, as HH-suite reads and writes them.

`.ffdata` holds the entries, each ended by a NUL byte; `.ffindex` has one line for each: name,
offset, length with the NUL, tabs between, sorted by name as bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from blocks.errors import ToolError

NUL = b"\0"
UNREAD_STATE = b"\x02"
"""One state of a placeholder of cs219; hhsearch does not look at it."""


class Entries:
    """The entries of a database on disk; only the index is kept in memory."""

    def __init__(self, data: Path, index: Path) -> None:
        self._data = data
        self._place: dict[str, tuple[int, int]] = {}
        for line in index.read_text(encoding="ascii").splitlines():
            cells = line.split("\t")
            if len(cells) < 3 or not (cells[1].isdecimal() and cells[2].isdecimal()):  # noqa: PLR2004 -- columns
                raise ToolError("ffindex", 0, f"{index}: {line[:60]!r} is no entry")
            self._place[cells[0]] = (int(cells[1]), int(cells[2]))

    @classmethod
    def of(cls, database: Path) -> "Entries":
        """The entries of a database, whose path is given without `.ffdata` and `.ffindex`."""
        return cls(Path(f"{database}.ffdata"), Path(f"{database}.ffindex"))

    def __len__(self) -> int:
        return len(self._place)

    def __contains__(self, name: str) -> bool:
        return name in self._place

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def items(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, bytes]]:
        """Names and contents, in the order of `names` or of the index."""
        with self._data.open("rb") as file:
            for name in self._place if names is None else names:
                offset, length = self._place[name]
                file.seek(offset)
                yield name, file.read(length).removesuffix(NUL)


def write_entries(database: Path, entries: Iterable[tuple[str, bytes]]) -> None:
    """Write a database; the entries come in any order."""
    places: list[tuple[bytes, int, int]] = []
    offset = 0
    with Path(f"{database}.ffdata").open("wb") as file:
        for entry, content in entries:
            file.writelines((content, NUL))
            places.append((entry.encode("ascii"), offset, len(content) + 1))
            offset += len(content) + 1
    with Path(f"{database}.ffindex").open("wb") as file:
        file.writelines(
            name + f"\t{start}\t{length}\n".encode("ascii")
            for name, start, length in sorted(places)
        )


def placeholder_states(lengths: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    """Entries of a cs219 that hhsearch accepts and hhblits must not use."""
    for name, length in lengths.items():
        yield name, UNREAD_STATE * length


def unequal_names(databases: Mapping[str, Entries]) -> str:
    """The first entry that some databases have and others lack, "" where all agree."""
    everywhere = set.intersection(*(set(entries) for entries in databases.values()))
    for part, entries in databases.items():
        if odd := sorted(set(entries) - everywhere):
            lacking = [name for name, other in databases.items() if odd[0] not in other]
            return f"{odd[0]} is in {part}, not in {' and '.join(lacking)}"
    return ""
