"""Steps that keep a random part of the molecules.

Whether a molecule is kept depends on the seed and on its number in the input, on nothing else:
neither workers nor blocks nor shards change the choice, and mates stay together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.reads.block import Block, Integers
from tasks.reads.blocks_joined import compact_block, joined_blocks
from tasks.reads.step import SerialStage, Stage, StepParams, Surroundings
from tasks.reads.steps.filters import kept

Seed = Annotated[
    int, Field(ge=0, lt=2**64, title="Seed", description="another one gives another choice")
]
Draws = NDArray[np.uint64]
WORD = 2**64
STEP = np.uint64(0x9E37_79B9_7F4A_7C15)
CHUNK = 10_000
"""Molecules in a block that a reservoir gives back."""


def draws(seed: int, index: Integers) -> Draws:
    """A random 64-bit number for each molecule; shape of `index`.

    Source:
        SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2714064.2660195), as a hash of a counter.
    """
    with np.errstate(over="ignore"):
        start = _mixed(np.array([seed], np.uint64) + STEP)
        return _mixed(index.astype(np.uint64) * STEP + start)


def _mixed(word: Draws) -> Draws:
    with np.errstate(over="ignore"):
        word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        return word ^ (word >> np.uint64(31))


@dataclass(eq=False)
class Draw(Stage):
    """Keeps each molecule with the same probability."""

    seed: int
    limit: int
    """Draws below it are kept."""

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The molecules that were drawn."""
        return kept(block, draws(self.seed, block.index) < np.uint64(self.limit))


class FilterSample(StepParams):
    """Keep each molecule with a probability."""

    action: Literal["FilterSample"] = "FilterSample"
    p: float = Field(gt=0, lt=1, title="Probability", description="above 0, below 1")
    seed: Seed

    def build(self, around: Surroundings) -> Stage:
        """Draws."""
        return Draw(self.seed, min(round(self.p * WORD), WORD - 1))


@dataclass(eq=False)
class Pool:
    """Candidates of one stream."""

    blocks: list[Block] = field(default_factory=list)
    drawn: list[Draws] = field(default_factory=list)
    count: int = 0
    limit: int | None = None
    """No draw above it can be among the lowest any more."""


@dataclass(eq=False)
class Reservoir(SerialStage[Draws]):
    """Keeps the n molecules of each stream that have the lowest draws."""

    n: int
    seed: int
    pools: dict[int, Pool] = field(default_factory=dict)
    last: Block | None = None

    def prepare(self, block: Block) -> Draws:
        """The draws."""
        return draws(self.seed, block.index)

    def fold(self, block: Block, prepared: Draws) -> Block:
        """An empty block; candidates are kept back."""
        streams = np.zeros(len(block), np.int64) if block.stream is None else block.stream
        for bits in np.unique(streams):
            pool = self.pools.setdefault(int(bits), Pool())
            chosen = streams == bits
            if pool.limit is not None:
                chosen &= prepared <= np.uint64(pool.limit)
            if chosen.any():
                pool.blocks.append(compact_block(block.take(chosen)))
                pool.drawn.append(prepared[chosen])
                pool.count += int(chosen.sum())
                if pool.count > 2 * self.n + CHUNK:
                    self._prune(pool)
        self.last = block.take(np.zeros(len(block), np.bool_))
        return self.last

    def _prune(self, pool: Pool) -> None:
        """Drop what is not among the n lowest draws; the order stays."""
        if pool.count > self.n:
            drawn = np.concatenate(pool.drawn)
            lowest = np.sort(np.argpartition(drawn, self.n - 1)[: self.n])
            pool.blocks = [compact_block(joined_blocks(pool.blocks).take(lowest))]
            pool.drawn = [drawn[lowest]]
            pool.count = self.n
        if pool.count == self.n:
            pool.limit = int(max(drawn.max() for drawn in pool.drawn))

    def flush(self) -> Sequence[Block]:
        """What was kept, in the order of the input."""
        if not self.pools or self.last is None:
            return ()
        for pool in self.pools.values():
            self._prune(pool)
        whole = joined_blocks([block for pool in self.pools.values() for block in pool.blocks])
        order = np.argsort(whole.index, kind="stable")
        parts = [order[begin : begin + CHUNK] for begin in range(0, len(order), CHUNK)]
        return [
            compact_block(whole.take(rows), number=self.last.number + 1 + place)
            for place, rows in enumerate(parts)
        ]


class FilterReservoirSample(StepParams):
    """Keep a number of molecules drawn at random, of each stream if there are several."""

    action: Literal["FilterReservoirSample"] = "FilterReservoirSample"
    n: int = Field(ge=1, title="Molecules", description="number that is kept of each stream")
    seed: Seed

    def build(self, around: Surroundings) -> Stage:
        """Draws, and keeps back to the end."""
        return Reservoir(self.n, self.seed)
