"""Steps that make tags from tags, and forget them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tasks.reads.assembly import assemble, joined, repeated, stacked, where
from tasks.reads.block import Block, Mask, Numbers, Regions, Strings, Tag, Texts
from tasks.reads.step import Stage, StepParams, Surroundings, TagGift, TagKind, TagUse
from tasks.reads.steps.positions import molecule_of
from tasks.reads.steps.sources import Change, Label, tagged
from tasks.reads.steps.tags import regions_of


class ConcatTags(StepParams):
    """Glue several tags together: regions behind each other, or texts."""

    action: Literal["ConcatTags"] = "ConcatTags"
    in_labels: Annotated[tuple[Label, ...], Field(min_length=2)] = Field(
        title="Tags", description="at least two, in this order"
    )
    out_label: Label = Field(description="name of the new tag")
    on_missing: Literal["merge_present", "set_missing"] = Field(
        title="If one is missing", description="glue those that are there, or give none"
    )
    separator: str = Field("", title="Separator", description="between texts; not between regions")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        twice = [label for label in self.in_labels if self.in_labels.count(label) > 1]
        if twice:
            raise ValueError(f"in_labels: duplicate input label {twice[0]!r}; expected each once")
        return self

    def uses(self) -> Sequence[TagUse]:
        """The tags."""
        return [TagUse(label, ("location", "string"), "in_labels") for label in self.in_labels]

    def gives(self) -> Sequence[TagGift]:
        """The new tag, if all are Locations."""
        return [TagGift(self.out_label, "location")]

    def gives_among(self, known: Mapping[str, TagKind]) -> Sequence[TagGift]:
        """The new tag: a Location if all are."""
        located = all(known.get(label, "location") == "location" for label in self.in_labels)
        return [TagGift(self.out_label, "location" if located else "string")]

    def build(self, around: Surroundings) -> Stage:  # noqa: D102 -- as the base class
        return Change(self._concat)

    def _concat(self, block: Block) -> Block:
        tags = [block.tags[label] for label in self.in_labels]
        there = np.stack([_present(tag) for tag in tags])
        keep = np.full(len(block), self.on_missing == "merge_present") | there.all(axis=0)
        located = [tag for tag in tags if isinstance(tag, Regions)]
        if len(located) == len(tags):
            return tagged(block, self.out_label, _one_behind_another(located, keep))
        texts = [_as_text(tag) for tag in tags]
        parts: list[Texts] = []
        begun = np.zeros(len(block), np.bool_)
        mark = repeated(self.separator.encode(), len(block))
        for text, present in zip(texts, there, strict=True):
            shown = present & keep
            parts += [where(shown & begun, mark), where(shown, text)]
            begun = begun | shown
        return tagged(block, self.out_label, Strings(assemble(parts), begun))


def _as_text(tag: Tag) -> Texts:
    if isinstance(tag, Regions):
        return joined(tag, b"")
    assert isinstance(tag, Strings)  # noqa: S101 -- the configuration was checked
    return tag.text


def _present(tag: Tag) -> Mask:
    if isinstance(tag, Regions):
        return np.diff(tag.first) > 0
    assert isinstance(tag, Strings)  # noqa: S101 -- the configuration was checked
    return tag.present


def _one_behind_another(tags: Sequence[Regions], keep: Mask) -> Regions:
    """Each molecule's regions of all tags, in the order of the tags."""
    owner = np.concatenate([molecule_of(tag) for tag in tags])
    order = np.argsort(owner, kind="stable")
    order = order[keep[owner[order]]]
    counts = np.sum([np.diff(tag.first) for tag in tags], axis=0) * keep
    return Regions(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([tag.segment for tag in tags])[order],
        np.concatenate([tag.start for tag in tags])[order],
        np.concatenate([tag.length for tag in tags])[order],
        stacked([tag.text for tag in tags]).take(order),
    )


class ConvertRegionsToLength(StepParams):
    """How many bases a tag's regions cover; 0 where it is missing."""

    action: Literal["ConvertRegionsToLength"] = "ConvertRegionsToLength"
    in_label: Label = Field(description="the tag")
    out_label: Label = Field(description="name of the new tag")

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.in_label == self.out_label:
            raise ValueError("out_label is the same as in_label; expected another name")
        return self

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [TagUse(self.in_label, ("location",))]

    def gives(self) -> Sequence[TagGift]:
        """The lengths."""
        return [TagGift(self.out_label, "numeric")]

    def build(self, around: Surroundings) -> Stage:  # noqa: D102 -- as the base class
        def measure(block: Block) -> Block:
            tag = regions_of(block, self.in_label)
            length = np.where(tag.segment >= 0, tag.length, tag.text.length)
            ends = np.concatenate([[0], np.cumsum(length)])
            covered = ends[tag.first[1:]] - ends[tag.first[:-1]]
            return tagged(block, self.out_label, Numbers(covered.astype(np.float64)))

        return Change(measure)


class ForgetTag(StepParams):
    """Forget tags that are needed no more."""

    action: Literal["ForgetTag"] = "ForgetTag"
    in_label: Label = Field(description="the tag")

    def forgets(self, known: Sequence[str]) -> Sequence[str]:
        """The tag."""
        return [self.in_label]

    def build(self, around: Surroundings) -> Stage:  # noqa: D102 -- as the base class
        def forget(block: Block) -> Block:
            return replace(block, tags={k: v for k, v in block.tags.items() if k != self.in_label})

        return Change(forget)


class ForgetAllTags(StepParams):
    """Forget all tags."""

    action: Literal["ForgetAllTags"] = "ForgetAllTags"

    def forgets(self, known: Sequence[str]) -> Sequence[str]:
        """All of them."""
        return list(known)

    def uses_every_tag(self) -> bool:
        """Whether unused tags may be forgotten by it."""
        return True

    def build(self, around: Surroundings) -> Stage:  # noqa: D102 -- as the base class
        return Change(lambda block: replace(block, tags={}))
