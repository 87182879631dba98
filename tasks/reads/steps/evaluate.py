"""Tags that are computed from others by a formula."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from blocks.errors import InputError
from tasks.reads.block import Block, Numbers, Regions, Strings, Tag, Truths
from tasks.reads.formula import SAME, Formula, Values, parse_formula
from tasks.reads.step import Stage, StepParams, Surroundings, TagGift, TagUse
from tasks.reads.steps.positions import covered_length
from tasks.reads.steps.targets import KINDS, truth_of

READ_NUMBER = "read_no"
LENGTH = "len_"


def value_of(name: str, block: Block) -> Values:
    """What a name of a formula means for each molecule; shape (n,)."""
    if name == READ_NUMBER:
        return block.index.astype(np.float64)
    if name.startswith(LENGTH):
        return _length(name.removeprefix(LENGTH), block).astype(np.float64)
    tag = block.tags[name]
    return tag.value if isinstance(tag, Numbers) else truth_of(tag).astype(np.float64)


def _length(name: str, block: Block) -> Values:
    if name in block.segments:
        return block.segments[name].sequence.length.astype(np.float64)
    tag = block.tags[name]
    if isinstance(tag, Regions):
        return covered_length(tag).astype(np.float64)
    assert isinstance(tag, Strings)  # noqa: S101 -- `uses` lets no other through
    return np.where(tag.present, tag.text.length, 0).astype(np.float64)


@dataclass(eq=False)
class Evaluation(Stage):
    """Adds a tag with the value of a formula."""

    label: str
    formula: Formula
    truth: bool

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """The block with the tag."""
        values = {name: value_of(name, block) for name in self.formula.names}
        found = self.formula.evaluate(values, len(block))
        tag: Tag = Truths(np.abs(found) > SAME) if self.truth else Numbers(found)
        return replace(block, tags={**block.tags, self.label: tag})


class EvalExpression(StepParams):
    """Compute a tag from others.

    Names are tags (Bool as 0 or 1, String and Location as 1 where present), `len_<segment>`,
    `len_<tag>` (0 where missing), and `read_no`, the number of the molecule in the input from 0.
    """

    action: Literal["EvalExpression"] = "EvalExpression"
    out_label: str = Field(title="Tag", description="name of the tag that is made")
    expression: str = Field(title="Formula", description="such as: n_count / len_read1 < 0.1")
    result_type: Literal["Numeric", "Bool"] = Field(
        title="Result", description="Bool: true where the value is not 0"
    )

    @field_validator("expression")
    @classmethod
    def _readable(cls, expression: str) -> str:
        try:
            parse_formula(expression)
        except InputError as error:
            raise ValueError(str(error)) from error
        return expression

    def uses(self) -> Sequence[TagUse]:
        """The tags in the formula."""
        found = []
        for name in parse_formula(self.expression).names:
            if name.startswith(LENGTH):
                label = name.removeprefix(LENGTH)
                found.append(TagUse(label, ("location", "string"), "expression", or_segment=True))
            elif name != READ_NUMBER:
                found.append(TagUse(name, KINDS, "expression"))
        return found

    def gives(self) -> Sequence[TagGift]:
        """The result."""
        kind: Literal["bool", "numeric"] = "bool" if self.result_type == "Bool" else "numeric"
        return (TagGift(self.out_label, kind),)

    def build(self, around: Surroundings) -> Stage:
        """Computes it for each block."""
        formula = parse_formula(self.expression)
        return Evaluation(self.out_label, formula, self.result_type == "Bool")
