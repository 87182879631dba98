"""What a step is: declared by its parameters, and carried out block by block.

A declared step (`StepParams`, one class for each `action` of a configuration) says which tags it
reads and gives, is checked before anything runs, and builds its stage. A stage is one of

  `Stage`         any block at any time, several at once in several threads
  `SerialStage`   `prepare` as above; then `fold`, block after block in the order of the input,
                  one at a time

Stages keep what they count in an `Account` for each worker; accounts add up, so that results do not
depend on which worker saw which block.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import ConfigDict

from blocks.errors import InputError
from tasks.parameters import Params
from tasks.reads.block import Block, Texts

TagKind = Literal["location", "string", "numeric", "bool"]
Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class TagUse:
    """A tag that a step reads."""

    label: str
    kinds: tuple[TagKind, ...]
    """Kinds that it can take."""
    field: str = "in_label"
    """Where the configuration names it."""
    or_segment: bool = False
    """Whether a segment of that name does as well, so that the tag need not be there."""


@dataclass(frozen=True, slots=True)
class TagGift:
    """A tag that a step makes; it replaces none."""

    label: str
    kind: TagKind
    field: str = "out_label"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step may ask about the run when it builds its stage."""

    segments: tuple[str, ...]
    tags: Mapping[str, TagKind]
    """Tags that are there when the step's turn comes."""
    folder: Path
    """Against which relative paths of further input files are resolved."""
    prefix: Path
    """Begin of the names of all output files."""
    barcodes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Tables of the configuration: name -> barcode -> label."""
    streams: Mapping[int, str] = field(default_factory=lambda: {0: ""})
    """Streams that earlier `Demultiplex` steps made: bits -> infix of the file names."""
    separator: str = "_"
    """Between the parts of a file name: prefix, infix, stream, segment."""
    stdout: bool = False
    """Reads go to standard output, so that nothing else may."""
    comment: str = " "
    """Character that ends a read's name and begins its comment."""
    head: Callable[[str], Iterator[Texts]] | None = None
    """The sequences of a segment from the beginning of the input; there once a run begins."""

    def named(self, *parts: str, suffix: str) -> Path:
        """A step's own output file: prefix and parts that are not empty, joined; `x.tsv`."""
        joined = self.separator.join([self.prefix.name, *(part for part in parts if part)])
        return self.prefix.with_name(joined + suffix)


def partial(path: Path) -> Path:
    """Where a file is written until the whole run went well; it is renamed then."""
    return path.with_name(path.name + ".incomplete")


class Stage(ABC):
    """Carries out a step on any block; must not keep anything but in `account`."""

    name: str = ""
    """As in reports and timings; the engine sets it."""
    watches = False
    """Must see the whole input, even where a later stage has enough (`Report` before `Head`)."""

    @abstractmethod
    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- the stage's own
        """The block after this step."""

    def account(self) -> Any:  # noqa: ANN401 -- the stage's own
        """A fresh account for a worker; None if nothing is counted."""
        return None

    def needs_every_block(self) -> bool:
        """Whether reading must go on for this stage when a later one has had enough."""
        return self.watches or self.account() is not None

    def finish(self, accounts: Sequence[Any]) -> Mapping[str, Any]:
        """After the last block: what the report says about this step; writes its own files."""
        return {}


class SerialStage(Stage, Generic[Prepared]):
    """A step that must see the blocks in the order of the input."""

    enough = False
    """Set by `fold` when no later block can matter, so that reading may end (`Head`)."""

    def needs_every_block(self) -> bool:
        """As the base class; `False` where nothing is kept of blocks that come too late."""
        return True

    def run(self, block: Block, account: Any) -> Block:  # noqa: ANN401 -- as the base class
        """Both parts at once, for a single thread."""
        return self.fold(block, self.prepare(block))

    @abstractmethod
    def prepare(self, block: Block) -> Prepared:
        """What can be known of a block by itself; runs in parallel."""

    @abstractmethod
    def fold(self, block: Block, prepared: Prepared) -> Block:
        """The block after this step, knowing all blocks before it; must be quick."""

    def flush(self) -> Sequence[Block]:
        """Blocks that come out behind the last one, such as those of a reservoir."""
        return ()


class StepParams(Params):
    """A step as it stands in a configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    action: str

    def uses(self) -> Sequence[TagUse]:
        """Tags that it reads."""
        return ()

    def uses_every_tag(self) -> bool:
        """Whether it reads all tags that are there, whatever their names and kinds."""
        return False

    def gives(self) -> Sequence[TagGift]:
        """Tags that it makes."""
        return ()

    def gives_among(self, known: Mapping[str, TagKind]) -> Sequence[TagGift]:
        """Tags that it makes, given the kinds of those that are there."""
        return self.gives()

    def forgets(self, known: Sequence[str]) -> Sequence[str]:
        """Tags among `known` that are gone behind it."""
        return ()

    def streams(self, around: Surroundings) -> Mapping[int, str]:
        """Streams behind it: bits -> infix of the file names; only `Demultiplex` makes new ones."""
        return around.streams

    def files(self, around: Surroundings) -> Sequence[Path]:
        """Files of its own that it writes (at `partial(path)`; the run renames them at the end)."""
        return ()

    def problems(self, around: Surroundings) -> Sequence[str]:
        """What is wrong with it in its place; one line each: field, what, what was expected."""
        return ()

    @abstractmethod
    def build(self, around: Surroundings) -> Stage:
        """Its stage; files it needs are read here."""


class ReadError(InputError):
    """A read is wrong; a stage raises it, and the engine adds file and record."""

    def __init__(self, what: str, segment: str, index: int, place: str = "") -> None:
        super().__init__(what, segment, index, place)
        self.what = what
        self.segment = segment
        self.index = index
        self.place = place

    def __str__(self) -> str:
        return f"{self.place or f'{self.segment}, molecule {self.index + 1}'}: {self.what}"
