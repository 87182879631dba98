"""Steps that compare tags with tables of barcodes: correction and demultiplexing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from blocks.errors import InputError
from tasks.reads.alphabet import ACCEPTED
from tasks.reads.assembly import column, joined, stacked, where
from tasks.reads.block import Block, Integers, Regions, Strings, Tag, Texts, Truths
from tasks.reads.kernels.hashing import fingerprints
from tasks.reads.kernels.search import find_nearest
from tasks.reads.name_parts import EXPECTED, leads_elsewhere
from tasks.reads.step import Stage, StepParams, Surroundings, TagGift, TagKind, TagUse
from tasks.reads.steps.positions import molecule_of
from tasks.reads.steps.sources import Label, tagged

NO_BARCODE = "no-barcode"
"""Stream of what fits no barcode."""
NONE, SEVERAL = -1, -2
"""Instead of a barcode's number: none is near enough, or several are equally near."""
FLAT_ACCEPTED = ACCEPTED.reshape(-1).copy()


class BarcodeTable:
    """Barcodes of a configuration; finds them exactly, and the nearest one otherwise."""

    def __init__(self, barcodes: Sequence[str]) -> None:
        self.texts = column([barcode.encode() for barcode in barcodes])
        self._letters = self.texts.buffer[: int(self.texts.length.sum())].copy()
        self._first = np.concatenate([self.texts.start, [len(self._letters)]]).astype(np.int64)
        marks = _fingerprints(self.texts)
        self._order = np.argsort(marks, kind="stable")
        self._marks = marks[self._order]

    def nearest(self, values: Texts, most: int) -> tuple[Integers, Integers]:
        """Number of the barcode nearest to each text, and in how many letters it differs.

        Args:
            values: What was read.
            most: Letters that may differ; IUPAC letters of a barcode stand for several bases.

        Returns:
            The number is NONE or SEVERAL where there is not one that is nearest.
        """
        marks = _fingerprints(values)
        found = np.searchsorted(self._marks, marks)
        found = np.where(found < len(self._marks), found, 0)
        exact = self._marks[found] == marks
        number = np.where(exact, self._order[found], NONE)
        distance = np.where(exact, 0, most + 1)
        other = np.flatnonzero(~exact)
        if len(other):
            rest = values.take(other)
            near, far = np.empty(len(other), np.int64), np.empty(len(other), np.int64)
            find_nearest(
                *(rest.buffer, rest.start, rest.length, self._letters, FLAT_ACCEPTED),
                *(self._first, most, near, far),
            )
            number[other], distance[other] = near, far
        return number, distance


def _fingerprints(texts: Texts) -> Integers:
    """64 bits for each text; equal for equal ones."""
    marks = np.zeros(2 * len(texts), np.uint64)
    fingerprints(texts.buffer, texts.start, texts.length, marks)
    return marks[::2].copy().view(np.int64)


class HammingCorrect(StepParams):
    """Correct barcodes that were read wrongly to the nearest one of a table."""

    action: Literal["HammingCorrect"] = "HammingCorrect"
    in_label: Label = Field(description="the tag")
    out_label: Label = Field(description="name of the new tag")
    barcodes: str = Field(title="Barcodes", description="name of their section in [barcodes]")
    max_hamming_distance: int = Field(
        ge=1, le=255, title="Most mismatches", description="letters in which a barcode may differ"
    )
    on_no_match: Literal["remove", "empty", "keep"] = Field(
        title="If none is nearest", description="no tag, an empty one, or what was read"
    )

    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.in_label == self.out_label:
            raise ValueError("out_label is the same as in_label; expected another name")
        return self

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        return [TagUse(self.in_label, ("location", "string"))]

    def gives(self) -> Sequence[TagGift]:
        """The corrected tag, of a Location."""
        return [TagGift(self.out_label, "location")]

    def gives_among(self, known: Mapping[str, TagKind]) -> Sequence[TagGift]:
        """The corrected tag, of the same kind."""
        return [TagGift(self.out_label, known.get(self.in_label, "location"))]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        return _table_problems(self.barcodes, around)

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        return _Correction(self, BarcodeTable(list(around.barcodes[self.barcodes])))


def _table_problems(name: str, around: Surroundings) -> list[str]:
    if name in around.barcodes:
        return []
    tables = ", ".join(around.barcodes) or "a section [barcodes.<name>]"
    return [f"barcodes: no section [barcodes.{name}]; expected {tables}"]


class _Correction(Stage):
    """Counts what became of the tag's texts; the counts add up to all of them."""

    def __init__(self, params: HammingCorrect, table: BarcodeTable) -> None:
        self._params = params
        self._table = table

    def account(self) -> Counter[str]:
        """Texts by what became of them."""
        return Counter()

    def run(self, block: Block, account: Counter[str]) -> Block:
        """The block with the corrected tag."""
        tag = block.tags[self._params.in_label]
        if isinstance(tag, Regions):
            new: Tag = self._regions(tag, account)
        else:
            assert isinstance(tag, Strings)  # noqa: S101 -- the configuration was checked
            rows = np.flatnonzero(tag.present)
            text, keep = self._corrected(tag.text.take(rows), account)
            place = np.zeros(len(tag.present), np.int64)
            place[rows] = np.arange(len(rows))
            present = tag.present.copy()
            present[rows] = keep
            new = Strings(_spread(text, place, present), present)
        return tagged(block, self._params.out_label, new)

    def finish(self, accounts: Sequence[Counter[str]]) -> Mapping[str, Any]:
        """How many texts were exact, corrected, ambiguous or unmatched."""
        total = sum(accounts, Counter())
        return {key: total[key] for key in ("exact", "corrected", "ambiguous", "unmatched")}

    def _regions(self, tag: Regions, account: Counter[str]) -> Regions:
        text, keep = self._corrected(tag.text, account)
        counts = np.bincount(molecule_of(tag)[keep], minlength=len(tag.first) - 1)
        return Regions(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            tag.segment[keep],
            tag.start[keep],
            tag.length[keep],
            text.take(keep),
        )

    def _corrected(
        self, text: Texts, account: Counter[str]
    ) -> tuple[Texts, "np.ndarray[Any, np.dtype[np.bool_]]"]:
        """The corrected texts, and which of them stay."""
        number, distance = self._table.nearest(text, self._params.max_hamming_distance)
        found = number >= 0
        account["exact"] += int(np.sum(found & (distance == 0)))
        account["corrected"] += int(np.sum(found & (distance > 0)))
        account["ambiguous"] += int(np.sum(number == SEVERAL))
        account["unmatched"] += int(np.sum(number == NONE))
        both = stacked([text, self._table.texts])
        corrected = both.take(np.where(found, len(text) + number, np.arange(len(text))))
        match self._params.on_no_match:
            case "remove":
                return corrected, found
            case "empty":
                return where(found, corrected), np.ones(len(text), np.bool_)
            case "keep":
                return corrected, np.ones(len(text), np.bool_)


def _spread(text: Texts, place: Integers, present: "np.ndarray[Any, np.dtype[np.bool_]]") -> Texts:
    if not len(text):
        return column([b""] * len(place))
    return where(present, text.take(place))


@dataclass(slots=True)
class _Streams:
    """Molecules by bits of their stream, and how many of them matched here."""

    count: Counter[int] = field(default_factory=Counter)
    matched: int = 0


class Demultiplex(StepParams):
    """Send molecules to files by a barcode, or by whether a tag is true; several steps multiply."""

    action: Literal["Demultiplex"] = "Demultiplex"
    in_label: Label = Field(description="the tag: a barcode, or true and false")
    barcodes: str | None = Field(
        None, title="Barcodes", description="name of their section; empty for a true/false tag"
    )
    output_unmatched: bool | None = Field(
        None, title="Write unmatched", description="what fits no barcode goes to no-barcode"
    )

    def uses(self) -> Sequence[TagUse]:
        """The tag."""
        if self.barcodes is None:
            return [TagUse(self.in_label, ("bool",))]
        return [TagUse(self.in_label, ("location", "string"))]

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place."""
        if self.barcodes is None:
            return []
        found = _table_problems(self.barcodes, around)
        wrong = [name for name in self._names(around) if leads_elsewhere(name)]
        if wrong:
            found.append(
                f"barcodes: invalid barcode name {wrong[0]!r}, which names files; "
                f"expected {EXPECTED}"
            )
        if self.output_unmatched is None:
            found.append(
                "output_unmatched: must be set when demultiplexing by barcodes; "
                "expected true or false"
            )
        return found

    def streams(self, around: Surroundings) -> Mapping[int, str]:
        """All streams behind it that are written: those before it times its own."""
        shift = _shift(around)
        own = dict(enumerate(self._names(around), start=1))
        if self.barcodes is not None and self.output_unmatched:
            own = {0: NO_BARCODE, **own}
        return {
            before | (number << shift): around.separator.join(
                part for part in (infix, name) if part
            )
            for before, infix in around.streams.items()
            for number, name in own.items()
        }

    def build(self, around: Surroundings) -> Stage:
        """Its stage."""
        table = around.barcodes[self.barcodes] if self.barcodes is not None else None
        return _Demultiplexing(self, _shift(around), self._names(around), table)

    def _names(self, around: Surroundings) -> list[str]:
        """The labels of its own streams, the first of which has number 1."""
        if self.barcodes is None:
            return [f"{self.in_label}=false", f"{self.in_label}=true"]
        return list(dict.fromkeys(around.barcodes.get(self.barcodes, {}).values()))


def _shift(around: Surroundings) -> int:
    """Bits that earlier steps have taken."""
    return max(around.streams, default=0).bit_length()


class _Demultiplexing(Stage):
    def __init__(
        self, params: Demultiplex, shift: int, names: list[str], table: Mapping[str, str] | None
    ) -> None:
        self._params = params
        self._shift = shift
        self._table = None if table is None else BarcodeTable(list(table))
        labels = [] if table is None else list(table.values())
        self._number = np.array([0, *(names.index(label) + 1 for label in labels)], np.int64)
        self._names = names

    def account(self) -> _Streams:
        """Molecules by stream."""
        return _Streams()

    def run(self, block: Block, account: _Streams) -> Block:
        """The block with its bits set."""
        own = self._own(block.tags[self._params.in_label])
        account.matched += int(np.sum(own > 0))
        for number, count in enumerate(np.bincount(own).tolist()):
            account.count[number] += count
        bits = own << self._shift
        return replace(block, stream=bits if block.stream is None else block.stream | bits)

    def finish(self, accounts: Sequence[_Streams]) -> Mapping[str, Any]:
        """Molecules for each barcode; without any there is something wrong with the table."""
        if not sum(account.matched for account in accounts):
            raise InputError(
                f"Demultiplex: step for label '{self._params.in_label}' did not observe any "
                "matching barcodes; expected barcodes as they stand in the reads, and the right tag"
            )
        total = sum((account.count for account in accounts), Counter())
        return {name: total[n] for n, name in enumerate([NO_BARCODE, *self._names])}

    def _own(self, tag: Tag) -> Integers:
        """Number of the stream of each molecule among those of this step; 0: none."""
        if isinstance(tag, Truths):
            return tag.value.astype(np.int64) + 1
        assert self._table is not None  # noqa: S101 -- the configuration was checked
        if isinstance(tag, Regions):
            values, present = joined(tag, b"_"), np.diff(tag.first) > 0
        else:
            assert isinstance(tag, Strings)  # noqa: S101 -- the configuration was checked
            values, present = tag.text, tag.present
        number, _ = self._table.nearest(values, 0)
        own: Integers = np.where(present, self._number[np.maximum(number, NONE) + 1], 0)
        return own
