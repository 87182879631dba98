"""Literal blocks for tests: reads are written as (name, sequence, quality)."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tasks.reads.block import (
    Block,
    Numbers,
    Reads,
    Regions,
    Strings,
    Tag,
    Texts,
    Truths,
)
from tasks.reads.step import StepParams, Surroundings, TagKind

Read = tuple[str, str, str]
Place = tuple[str, int, int, str]
"""One region: (segment, start, length, text); segment "" is a region that lies nowhere."""


def column(texts: Iterable[str | bytes], margin: bytes = b"??") -> Texts:
    """The texts in one buffer, with other bytes between them."""
    parts = [text.encode("latin-1") if isinstance(text, str) else text for text in texts]
    lengths = np.array([len(part) for part in parts], np.int64)
    ends = np.cumsum(lengths + len(margin))
    buffer = np.frombuffer(b"".join(margin + part for part in parts) + margin, np.uint8).copy()
    return Texts(buffer, ends - lengths, lengths)


def reads(given: Sequence[Read]) -> Reads:
    """One segment."""
    return Reads(*(column(one[place] for one in given) for place in range(3)))


def block(
    *, tags: dict[str, Tag] | None = None, number: int = 0, first: int = 0, **segments: list[Read]
) -> Block:
    """A block: `block(read1=[("a", "ACGT", "IIII")], read2=...)`.

    `first` is the index of the first molecule.
    """
    count = len(next(iter(segments.values())))
    assert all(len(each) == count for each in segments.values())
    return Block(
        number,
        np.arange(first, first + count),
        {name: reads(each) for name, each in segments.items()},
        tags or {},
    )


def sequences(*given: str, qualities: Sequence[str] = ()) -> list[Read]:
    """Reads called r0, r1 … with quality I throughout, or those given."""
    marks = qualities or ["I" * len(one) for one in given]
    return [(f"r{n}", *one) for n, one in enumerate(zip(given, marks, strict=True))]


def around(
    *segments: str, folder: Path = Path(), tags: dict[str, TagKind] | None = None
) -> Surroundings:
    """Surroundings with these segments (read1 if none is given)."""
    return Surroundings(segments or ("read1",), tags or {}, folder, folder / "out")


KINDS: dict[type, TagKind] = {
    Regions: "location",
    Strings: "string",
    Numbers: "numeric",
    Truths: "bool",
}


def run(step: StepParams, *blocks: Block, folder: Path = Path()) -> Block:
    """The last block after a step that saw all of them in that order."""
    return run_all(step, *blocks, folder=folder)[len(blocks) - 1]


def run_all(step: StepParams, *blocks: Block, folder: Path = Path()) -> list[Block]:
    """All blocks after a step; those that it keeps back to the end stand behind them."""
    kinds = {label: KINDS[type(tag)] for label, tag in blocks[0].tags.items()}
    stage = step.build(around(*blocks[0].segments, folder=folder, tags=kinds))
    account = stage.account()
    done = [stage.run(each, account) for each in blocks]
    return [*done, *getattr(stage, "flush", tuple)()]


def texts(given: Texts) -> list[str]:
    """The texts as str."""
    return [given[place].decode("latin-1") for place in range(len(given))]


def names(given: Block, segment: str = "read1") -> list[str]:
    return texts(given.segments[segment].name)


def bases(given: Block, segment: str = "read1") -> list[str]:
    return texts(given.segments[segment].sequence)


def qualities(given: Block, segment: str = "read1") -> list[str]:
    return texts(given.segments[segment].quality)


def regions(
    *molecules: list[Place] | None, segments: Sequence[str] = ("read1", "read2")
) -> Regions:
    """A Location tag: for each molecule its regions; None or [] where there is no hit."""
    counts = [len(each or []) for each in molecules]
    places = [place for each in molecules for place in each or []]
    number = {name: n for n, name in enumerate(segments)} | {"": -1}
    return Regions(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array([number[place[0]] for place in places], np.int16),
        np.array([place[1] for place in places], np.int64),
        np.array([place[2] for place in places], np.int64),
        column(place[3] for place in places),
    )


def places(tag: Tag, segments: Sequence[str] = ("read1", "read2")) -> list[list[Place]]:
    """What a Location tag holds, as `regions` takes it."""
    assert isinstance(tag, Regions)
    found = []
    for begin, end in zip(tag.first[:-1], tag.first[1:], strict=True):
        found.append(
            [
                (
                    segments[tag.segment[n]] if tag.segment[n] >= 0 else "",
                    int(tag.start[n]),
                    int(tag.length[n]),
                    tag.text[n].decode("latin-1"),
                )
                for n in range(begin, end)
            ]
        )
    return found


def strings(*values: str | None) -> Strings:
    """A String tag; None where it is missing."""
    return Strings(
        column(one or "" for one in values), np.array([one is not None for one in values])
    )


def numbers(*values: float) -> Numbers:
    return Numbers(np.array(values, np.float64))


def truths(*values: bool) -> Truths:
    return Truths(np.array(values, np.bool_))
