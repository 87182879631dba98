"""Steps that trim adapters; the original has none, fastp has."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from tasks.reads.adapter_search import FoundAdapter, Rule, find_adapter
from tasks.reads.block import Block, Bytes, Integers, Mask, Truths
from tasks.reads.kernels.adapters import adapter_starts, tails_are
from tasks.reads.kernels.overlap import pair_overlaps
from tasks.reads.step import Stage, StepParams, Surroundings, TagGift
from tasks.reads.steps.edit import OnSegment, trimmed
from tasks.reads.steps.sources import Label, tagged
from tasks.reads.steps.targets import condition, segment_of, segment_problems

TRUSEQ = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT")
NEXTERA = "CTGTCTCTTATACACATCT"
LONGEST_INSERT = 512
"""Insert sizes of the histogram end here, as in fastp's report."""
Adapter = Annotated[
    str, BeforeValidator(lambda text: str(text).upper()), Field(pattern="^[ACGTN]{4,64}$")
]
AUTO = "auto"
AdapterOrAuto = Annotated[
    str,
    BeforeValidator(lambda text: AUTO if str(text).lower() == AUTO else str(text).upper()),
    Field(pattern="^(auto|[ACGTN]{4,64})$"),
]


def _complements() -> Bytes:
    """As fastp complements: upper-case letters, N for what is not A, C, G or T."""
    table = np.full(256, ord("N"), np.uint8)
    for one, other in zip("ACGTacgt", "TGCATGCA", strict=True):
        table[ord(one)] = ord(other)
    return table


COMPLEMENTS = _complements()


def letters(adapter: str) -> Bytes:
    """The adapter as a kernel takes it; writable, with what a word may read behind it."""
    return np.frombuffer(bytearray(adapter.encode()), np.uint8)


class TrimAdaptersByOverlap(StepParams):
    """Cut what lies behind the other mate's start where the reads of a pair overlap.

    Source:
        fastp 0.23.2, overlap analysis; without `confirm_adapter` the same reads are cut.
    """

    action: Literal["TrimAdaptersByOverlap"] = "TrimAdaptersByOverlap"
    segment1: str = Field("read1", title="First segment")
    segment2: str = Field("read2", title="Second segment", description="its mates")
    min_overlap: int = Field(30, ge=8, title="Least overlap", description="[nt]")
    max_mismatches: int = Field(
        5, ge=0, title="Most mismatches", description="in the first 50 bases of the overlap"
    )
    max_mismatch_percent: float = Field(
        20, ge=0, lt=100, title="Most mismatches in percent", description="of the overlap"
    )
    confirm_adapter: bool = Field(
        True,
        title="Confirm",
        description="cut only where one of the tails is an adapter (one mismatch in four bases, "
        "up to one indel), or both are shorter than four bases",
    )
    adapters1: tuple[Adapter, ...] = Field(
        (TRUSEQ[0], NEXTERA), title="Adapters 1", description="that may follow in the first segment"
    )
    adapters2: tuple[Adapter, ...] = Field(
        (TRUSEQ[1], NEXTERA), title="Adapters 2", description="in the second segment"
    )
    out_label: Label | None = Field(None, description="name of a new tag: whether it was cut")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.segment1 == self.segment2:
            raise ValueError("segment1 and segment2 are the same; expected two segments")
        if self.confirm_adapter and not (self.adapters1 or self.adapters2):
            raise ValueError("confirm_adapter without adapters1 and adapters2; expected sequences")
        return self

    def gives(self) -> Sequence[TagGift]:
        """Whether reads were cut."""
        return [] if self.out_label is None else [TagGift(self.out_label, "bool")]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """Whether the segments are there."""
        found = [segment_problems(each, around) for each in (self.segment1, self.segment2)]
        return [line for each in found for line in each]

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _OverlapStage(self)


@dataclass(slots=True)
class _Overlaps:
    """What one worker counts, of pairs."""

    counts: Counter[str] = field(default_factory=Counter)
    inserts: Integers = field(default_factory=lambda: np.zeros(LONGEST_INSERT + 1, np.int64))


class _OverlapStage(Stage):
    """Overlapping pairs and the others add up to all."""

    def __init__(self, params: TrimAdaptersByOverlap) -> None:
        self._params = params
        self._adapters = [[letters(one) for one in each] for each in self._sequences()]

    def _sequences(self) -> Sequence[Sequence[str]]:
        return self._params.adapters1, self._params.adapters2

    def account(self) -> _Overlaps:
        """A worker's counts."""
        return _Overlaps()

    def run(self, block: Block, account: _Overlaps) -> Block:
        """The block with shorter reads."""
        params = self._params
        one = block.segments[params.segment1].sequence
        two = block.segments[params.segment2].sequence
        offset, size = np.empty(len(block), np.int64), np.empty(len(block), np.int64)
        pair_overlaps(
            one.buffer, one.start, one.length, two.buffer, two.start, two.length,
            params.min_overlap, params.max_mismatches, params.max_mismatch_percent / 100,
            COMPLEMENTS, offset, size,
        )  # fmt: skip
        found = size >= 0
        insert = np.where(offset > 0, one.length + two.length - size, size)
        insert = np.where(found, np.minimum(insert, LONGEST_INSERT), LONGEST_INSERT)
        account.inserts += np.bincount(insert, minlength=LONGEST_INSERT + 1)
        cut = found & (offset < 0)
        if params.confirm_adapter:
            cut = self._confirmed(block, cut, size, account.counts)
        account.counts["overlapping"] += int(found.sum())
        account.counts["not_overlapping"] += int((~found).sum())
        account.counts["trimmed"] += int(cut.sum())
        if cut.any():
            for name in (params.segment1, params.segment2):
                length = block.segments[name].sequence.length
                stop = np.where(cut, np.minimum(length, size), length)
                account.counts[f"trimmed_{name}"] += int((stop < length).sum())
                account.counts["trimmed_bases"] += int((length - stop).sum())
                block = trimmed(block, name, np.zeros(len(block), np.int64), stop)
        return block if params.out_label is None else tagged(block, params.out_label, Truths(cut))

    def _confirmed(self, block: Block, cut: Mask, size: Integers, counts: Counter[str]) -> Mask:
        """The pairs of which a tail is an adapter, or that have no tails to speak of."""
        rows = np.flatnonzero(cut)
        at = size[rows]
        names = (self._params.segment1, self._params.segment2)
        short = np.ones(len(rows), np.bool_)
        adapter = np.zeros(len(rows), np.bool_)
        for name, sequences in zip(names, self._adapters, strict=True):
            reads = block.segments[name].sequence
            verdict = np.zeros(len(rows), np.uint8)
            for one in sequences:
                tails_are(reads.buffer, reads.start, reads.length, rows, at, one, verdict)
            short &= (verdict == 1) if sequences else True
            adapter |= verdict == 2  # noqa: PLR2004 -- the kernel's verdict
        confirmed = np.zeros(len(cut), np.bool_)
        confirmed[rows[short | adapter]] = True
        counts["not_confirmed"] += len(rows) - int(confirmed.sum())
        return confirmed

    def finish(self, accounts: Sequence[_Overlaps]) -> Mapping[str, Any]:
        """Pairs by what became of them, and how long their inserts are."""
        total = sum((each.counts for each in accounts), Counter[str]())
        inserts = sum((each.inserts for each in accounts), np.zeros(LONGEST_INSERT + 1, np.int64))
        names = ["overlapping", "not_overlapping", "trimmed", "not_confirmed", "trimmed_bases"]
        names += [f"trimmed_{each}" for each in (self._params.segment1, self._params.segment2)]
        return {**{name: total[name] for name in names}, "insert_sizes": inserts.tolist()}


class TrimAdapterSequence(OnSegment):
    """Cut an adapter and what follows, where its sequence is found, at the end of the read, too.

    Source:
        fastp 0.23.2, trimming by sequence: one mismatch in eight bases; `max_indels` = 0 cuts the
        same reads.
    """

    action: Literal["TrimAdapterSequence"] = "TrimAdapterSequence"
    adapter: AdapterOrAuto = Field(
        title="Adapter",
        description="sequence of 4 to 64 bases, or auto: found in the first reads of the input",
    )
    detection: Rule = Field(
        "known",
        title="Detection",
        description="with auto: only known adapters, or fastp's rule, which makes guesses",
    )
    min_match: int = Field(4, ge=1, title="Least match", description="bases, exclusive [nt]")
    max_indels: Literal[0, 1] = Field(
        1, title="Indels", description="inserted or missing bases, if 12 bases or more are there"
    )

    def build(self, around: Surroundings) -> Stage:
        """Its stage; looks for the adapter if there is none."""
        segment = segment_of(self.segment, around)
        if self.adapter != AUTO:
            return _SequenceStage(self, segment, self.adapter)
        heads = around.head(segment) if around.head is not None else iter(())
        found = find_adapter(heads, self.detection)
        return _SequenceStage(self, segment, found.sequence, found)


class _SequenceStage(Stage):
    """Counts what it cuts."""

    def __init__(
        self,
        params: TrimAdapterSequence,
        segment: str,
        adapter: str,
        found: FoundAdapter | None = None,
    ) -> None:
        self._params = params
        self._segment = segment
        self._adapter = letters(adapter)
        self._found = found

    def account(self) -> Counter[str]:
        """A worker's counts."""
        return Counter()

    def run(self, block: Block, account: Counter[str]) -> Block:
        """The block with shorter reads."""
        if len(self._adapter) == 0:
            return block
        params = self._params
        texts = block.segments[self._segment].sequence
        wanted = condition(block, params.if_tag)
        if wanted is None:
            wanted = np.ones(len(block), np.bool_)
        stop = np.empty(len(block), np.int64)
        adapter_starts(
            texts.buffer, texts.start, texts.length, np.ascontiguousarray(wanted), self._adapter,
            params.min_match, params.max_indels > 0, stop,
        )  # fmt: skip
        cut = stop < texts.length
        account["trimmed"] += int(cut.sum())
        if not cut.any():
            return block
        account["trimmed_bases"] += int((texts.length - stop).sum())
        return trimmed(block, self._segment, np.zeros(len(block), np.int64), stop)

    def finish(self, accounts: Sequence[Counter[str]]) -> Mapping[str, Any]:
        """Reads and bases that were cut, and what adapter was found if none was given."""
        total = sum(accounts, Counter[str]())
        report: dict[str, Any] = {key: total[key] for key in ("trimmed", "trimmed_bases")}
        found = self._found
        if found is not None:
            report["detected"] = {
                "segment": self._segment,
                "adapter": found.sequence,
                "name": found.name,
                "reads_with_it": found.hits,
                "reads_looked_at": found.reads,
            }
        return report
