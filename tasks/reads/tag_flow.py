"""The way of the tags through the steps: made, used, removed, and never wanted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.reads.aliases import plain
from tasks.reads.labels import label_fault
from tasks.reads.output_options import check_level
from tasks.reads.sections import Section, nearest
from tasks.reads.step import StepParams, Surroundings, TagKind, TagUse

SEGMENTS = ("segment", "segment_a", "segment_b", "segment1", "segment2", "count_oligos_segment")
"""Fields that name a segment."""
ONE_SEGMENT = {
    "CutStart", "CutEnd", "Truncate", "Prefix", "Postfix", "Swap", "MergeReads", "ExtractIUPAC",
    "ExtractIUPACWithIndel", "ExtractIUPACSuffix", "ExtractRegex", "ExtractRegion",
    "ExtractRegions", "ExtractLowQualityStart", "ExtractLowQualityEnd", "ExtractPolyTail",
    "ExtractRegionsOfLowQuality", "ExtractLongestPolyX", "StoreTagInFastQ",
}  # fmt: skip
"""Steps that work on one segment, and do not take `all`."""


@dataclass(slots=True)
class _Tag:
    """A tag on its way through the steps."""

    kind: TagKind | None
    """None: of a step that has mistakes of its own, so that nothing is known."""
    section: Section
    field: str
    giver: StepParams | None
    used: bool = False


@dataclass
class TagFlow:
    """Goes through the steps in order and knows which tags there are."""

    around: Surroundings
    tags: dict[str, _Tag] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    """Tag -> step that removed it."""

    def here(self) -> Surroundings:
        """What the next step finds."""
        known = {label: tag.kind or "location" for label, tag in self.tags.items()}
        return replace(self.around, tags=known)

    def failed(self, section: Section) -> None:
        """A step that cannot be understood may have given the tag that it names."""
        for name, value in section.given.items():
            if plain(name) == "outlabel" and isinstance(value, str):
                self.tags[value] = _Tag(None, section, name, None, used=True)
            elif isinstance(value, str) and value.removeprefix("!") in self.tags:
                self.tags[value.removeprefix("!")].used = True

    def passed(self, params: StepParams, section: Section) -> None:
        """Check a step against what is there, and note what is there behind it."""
        here = self.here()
        before = len(section.findings.problems)
        told = {_add(section, problem) for problem in params.problems(here)}
        _check_segments(params, section, here, told)
        if isinstance(level := getattr(params, "compression_level", None), int):
            check_level(section, str(getattr(params, "compression", "Uncompressed")), level)
        if params.uses_every_tag():
            for tag in self.tags.values():
                tag.used = True
        uses = params.uses()
        for use in uses:
            self._use(use, params, section)
        for label in params.forgets(list(self.tags)):
            self._forget(label, params, section, told={use.label for use in uses})
        for gift in params.gives_among(here.tags):
            self._give(gift.label, gift.kind, gift.field, params, section)
            if len(section.findings.problems) > before and gift.label in self.tags:
                self.tags[gift.label].used = True  # one mistake is told, not what follows from it
        self.around = replace(self.around, streams=params.streams(here))

    def finish(self) -> None:
        """Note tags that nobody wanted."""
        for label, tag in self.tags.items():
            if not tag.used:
                tag.section.add(tag.field, f"unused tag {label!r}",
                                "a step that uses it, or ForgetTag")  # fmt: skip

    def _forget(
        self, label: str, params: StepParams, section: Section, told: Collection[str]
    ) -> None:
        if label in self.tags:
            self.gone[label] = params.action
            del self.tags[label]
        elif label not in told and not label_fault(label):
            section.add("in_label", *self._unknown(label))

    def _use(self, use: TagUse, params: StepParams, section: Section) -> None:
        if label_fault(use.label):
            return  # told of where labels are checked
        tag = self.tags.get(use.label)
        if tag is None and use.label in self.around.segments:
            return  # `len_read1` of an expression
        if tag is None:
            others = self.around.segments if use.or_segment else ()
            section.add(use.field, *self._unknown(use.label, others))
            return
        tag.used = True
        if tag.kind is not None and tag.kind not in use.kinds:
            hint = ", or FilterByTag" if params.action == "FilterByNumericTag" else ""
            what = f"tag {use.label!r} is of the kind {tag.kind}, an incompatible tag type"
            section.add(use.field, what, " or ".join(use.kinds) + hint)
        if params.action == "TrimAtTag" and len(getattr(tag.giver, "regions", ())) > 1:
            what = f"TrimAtTag does not support multiple regions, and {use.label!r} has several"
            section.add(use.field, what, "a tag of a single region")

    def _unknown(self, label: str, others: Sequence[str] = ()) -> tuple[str, str]:
        if label in self.gone:
            what = f"no such tag {label!r} any more: {self.gone[label]} removed it"
            return what, f"{nearest(label, list(self.tags))}, or to remove it later"
        known = [*self.tags, *others]
        expected = nearest(label, known) if known else "a step before this one that makes it"
        return f"no such tag {label!r}", expected

    def _give(
        self, label: str, kind: TagKind, name: str, params: StepParams, section: Section
    ) -> None:
        if label_fault(label):
            return
        if label in self.tags:
            what = f"duplicate label {label!r}: {self.tags[label].section.label} gives it already"
            section.add(name, what, "another label, or ForgetTag before")
            return
        for what, names in (("segment", self.around.segments), ("barcode", self.around.barcodes)):
            if label in names:
                section.add(name, f"tag {label!r} collides with the {what} of that name",
                            "another label")  # fmt: skip
        self.tags[label] = _Tag(kind, section, name, params)


def _check_segments(
    params: StepParams, section: Section, around: Surroundings, told: Collection[str]
) -> None:
    """Note segments and sources that are not there, but for fields that were told of."""
    for name in SEGMENTS:
        value = getattr(params, name, None)
        if isinstance(value, str) and name not in told:
            _check_segment(value, name, params.action, section, around)
    regions: Sequence[Any] = getattr(params, "regions", None) or ()
    for holder in (params, *regions):
        for name in ("source", "target"):
            value = getattr(holder, name, None)
            if isinstance(value, str) and not value.startswith("tag:") and name not in told:
                inner = value.removeprefix("name:").strip()
                _check_segment(inner, name, params.action, section, around)


def _check_segment(
    value: str, name: str, action: str, section: Section, around: Surroundings
) -> None:
    written = next((one for one in section.given if plain(one) == plain(name)), name)
    if value.lower() == "all":
        if action in ONE_SEGMENT:
            listed = f"one of {', '.join(around.segments)}"
            section.add(written, f"{value!r} is not valid in this position", listed)
    elif value not in around.segments:
        what = f"segment {value!r} is not in [input]"
        section.add(written, what, nearest(value, around.segments))


def _add(section: Section, problem: str) -> str:
    """Note a step's own problem, `field: what; expected what`; the field, or nothing."""
    name, _, rest = problem.partition(": ")
    known = name.isidentifier() and rest
    what, _, expected = (rest if known else problem).partition("; expected ")
    section.add(name if known else "", what, expected or "a value that fits",
                at=None if known else ())  # fmt: skip
    return name if known else ""
