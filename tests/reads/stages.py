"""Stages and blocks for tests of the engine."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasks.reads.block import Block, Reads, Texts
from tasks.reads.step import SerialStage, Stage
from tests.reads.blocks import block

WORKERS = (1, 2, 3, 8)
SIZES = (1, 2, 7, 100, 100_000)


def reads_of(count: int) -> list[tuple[str, str, str]]:
    rng = random.Random(count)
    return [
        (f"r{n}", "".join(rng.choices("ACGT", k=n % 9)), "".join(rng.choices("#I", k=n % 9)))
        for n in range(count)
    ]


def blocks_of(count: int, size: int) -> Iterator[Block]:
    reads = reads_of(count)
    for at in range(0, count, size):
        yield block(read1=reads[at : at + size], number=at // size, first=at)


def cut(reads: Reads, count: int) -> Reads:
    def shorter(texts: Texts) -> Texts:
        gone = np.minimum(texts.length, count)
        return Texts(texts.buffer, texts.start + gone, texts.length - gone)

    return Reads(reads.name, shorter(reads.sequence), shorter(reads.quality))


@dataclass
class Cut(Stage):
    count: int

    def run(self, block: Block, account: Any) -> Block:
        time.sleep(random.random() * 0.0005)  # blocks overtake each other
        return replace(block, segments={n: cut(r, self.count) for n, r in block.segments.items()})


@dataclass
class Drop(Stage):
    """Drops each n-th molecule of the input, and counts them."""

    each: int

    def account(self) -> list[int]:
        return [0]

    def run(self, block: Block, account: list[int]) -> Block:
        keep = block.index % self.each != 0
        account[0] += int((~keep).sum())
        return block.take(keep)

    def finish(self, accounts: Sequence[list[int]]) -> dict[str, int]:
        return {"dropped": sum(account[0] for account in accounts)}


class Dedup(SerialStage[list[bytes]]):
    """Drops molecules whose sequence was seen before."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def prepare(self, block: Block) -> list[bytes]:
        sequence = block.segments["read1"].sequence
        return [sequence[n] for n in range(len(sequence))]

    def fold(self, block: Block, prepared: list[bytes]) -> Block:
        keep = []
        for sequence in prepared:
            keep.append(sequence not in self.seen)
            self.seen.add(sequence)
        return block.take(np.array(keep, np.bool_))

    def finish(self, accounts: Sequence[Any]) -> dict[str, int]:
        return {"different": len(self.seen)}


class Head(SerialStage[None]):
    def __init__(self, count: int) -> None:
        self.left = count

    def needs_every_block(self) -> bool:
        return False

    def prepare(self, block: Block) -> None:
        return None

    def fold(self, block: Block, prepared: None) -> Block:
        taken = min(self.left, len(block))
        self.left -= taken
        self.enough = self.left == 0
        return block.take(np.arange(taken))


class Last(SerialStage[None]):
    """Keeps all back, and gives them out at the end, the last one first, two by two."""

    def __init__(self) -> None:
        self.kept: list[Block] = []

    def prepare(self, block: Block) -> None:
        return None

    def fold(self, block: Block, prepared: None) -> Block:
        self.kept += [block.take(np.array([n])) for n in range(len(block))]
        return block.take(np.array([], np.int64))

    def flush(self) -> list[Block]:
        return self.kept[::-1]


def under_way() -> list[str]:
    names = ("worker", "feeder", "read read")
    return [each.name for each in threading.enumerate() if each.name.startswith(names)]
