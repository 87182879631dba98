"""A step of the original's own tests, so that those run unchanged."""

from typing import Literal

from tasks.reads.block import Block
from tasks.reads.step import Stage, StepParams, Surroundings


class InternalDelay(StepParams):
    """Does nothing; in the original, blocks wait here for a random time."""

    action: Literal["_InternalDelay"] = "_InternalDelay"

    def build(self, around: Surroundings) -> Stage:
        """A stage that hands every block on."""
        return _HandOn()


class _HandOn(Stage):
    def run(self, block: Block, account: None) -> Block:
        return block
