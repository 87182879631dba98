"""Output files: filled in the order of the input, under another name until all is well.

Workers turn a block into pieces of text (`render`); the coordinator strings the pieces of each file
together and cuts them into members (`cut`); workers compress these (`Member.packed`); the
coordinator writes them in order (`write`). At the end `publish` gives the files their names.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from blocks.errors import InputError, InputProblems, Problem, SeqloomError
from tasks.reads.block import Block
from tasks.reads.compression import MEMBER, compressor, end_mark
from tasks.reads.open_files import FailureOnDemand, OpenFiles
from tasks.reads.outputs import Output, Written, existing, path_of
from tasks.reads.pieces import Piece, pieces_of
from tasks.reads.serialising import BAM_HEADER

INCOMPLETE = ".incomplete"


@dataclass(slots=True)
class _File:
    """One output file while it grows."""

    path: Path | None
    segments: tuple[str, ...]
    stream: int
    pending: list[bytes | memoryview] = field(default_factory=list)
    pending_size: int = 0
    molecules: int = 0
    size: int = 0
    text_hash: "hashlib._Hash | None" = None
    file_hash: "hashlib._Hash | None" = None
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A piece of a file that is compressed by itself."""

    file: _File
    parts: tuple[bytes | memoryview, ...]
    pack: Callable[[bytes | memoryview], bytes] | None
    """None: as it is."""

    def packed(self) -> Sequence[bytes | memoryview]:
        """What is to be written."""
        if self.pack is None:
            return self.parts
        return [self.pack(text) for text in _even(self.parts, MEMBER)]


def _even(parts: Sequence[bytes | memoryview], size: int) -> Iterator[bytes | memoryview]:
    """The text in pieces of that size, the last one shorter; copied only where parts meet."""
    begun: list[memoryview] = []
    missing = size
    for part in (memoryview(one) for one in parts):
        at = 0
        while at < len(part):
            piece = part[at : at + missing]
            at += len(piece)
            missing -= len(piece)
            begun.append(piece)
            if not missing:
                yield begun[0] if len(begun) == 1 else b"".join(begun)
                begun, missing = [], size
    if begun:
        yield b"".join(begun)


def _incomplete(path: Path) -> Path:
    return path.with_name(path.name + INCOMPLETE)


class OutputFiles:
    """All files of a run."""

    def __init__(
        self,
        outputs: Sequence[Output],
        overwrite: bool = False,
        own: Sequence[Path] = (),
        failure: FailureOnDemand | None = None,
    ) -> None:
        """Nothing is written yet.

        Args:
            outputs: What to write.
            overwrite: Replace files that exist.
            own: Final names of files that others write at `NAME.incomplete`.
            failure: When writing is to fail.

        Raises:
            InputProblems: Files exist, or are named twice.
        """
        self._outputs = outputs
        self._overwrite = overwrite
        self._own = own
        self._made: list[Path] = []
        """What there is to remove after an error."""
        self._moves: list[tuple[Path, Path]] = []
        """From the name under way to the final one."""
        self._pack = [
            None if each.compression == "raw" else compressor(each.compression, each.level)
            for each in outputs
        ]
        self._handles = OpenFiles(failure)
        self._stdout: BinaryIO | None = None
        self._current: dict[tuple[int, int], _File] = {}
        self._series: dict[tuple[int, int], list[_File]] = {}
        self._check()
        for number, output in enumerate(outputs):
            for stream in (0,) if output.stdout else output.stems:
                self._begin(number, stream)

    def _check(self) -> None:
        own = () if self._overwrite else self._own
        problems = [_exists(path) for path in own if path.exists()]
        seen: set[Path] = set()
        for output in self._outputs:
            for stem in () if output.stdout else output.stems.values():
                path = path_of(stem, output, 0, 1)
                if path in seen:
                    problems.append(Problem(str(path), "is written twice", "different names"))
                seen.add(path)
                found = existing(stem, output)
                if found and not self._overwrite:
                    problems.append(
                        Problem(
                            str(found[0]), "exists already", "another name, or overwriting allowed"
                        )
                    )
        if problems:
            raise InputProblems(problems)

    def _begin(self, series: int, stream: int) -> _File:
        """The next file of a stream."""
        output = self._outputs[series]
        files = self._series.setdefault((series, stream), [])
        path = None
        if not output.stdout:
            path = path_of(output.stems[stream], output, len(files), 1)
        file = _File(path, output.segments, stream)
        file.text_hash = hashlib.sha256() if output.hash_text else None
        file.file_hash = hashlib.sha256() if output.hash_file else None
        if output.format == "bam":
            self._add(file, BAM_HEADER)
        files.append(file)
        self._current[series, stream] = file
        return file

    def render(self, block: Block) -> list[Piece]:
        """What the block adds to each file; may run in any thread."""
        return [
            piece for n, output in enumerate(self._outputs) for piece in pieces_of(n, output, block)
        ]

    def cut(self, pieces: Sequence[Piece]) -> list[Member]:
        """Members that are full now; to be called in the order of the blocks."""
        return [member for piece in pieces for member in self._cut(piece)]

    def _cut(self, piece: Piece) -> Iterator[Member]:
        output = self._outputs[piece.series]
        file = self._current[piece.series, piece.stream]
        if output.chunk is None or piece.ends is None:
            file.molecules += piece.molecules
            self._add(file, piece.text)
            yield from self._full(piece.series, file)
            return
        done = begin = 0
        while done < piece.molecules:
            if file.molecules == output.chunk:
                yield from self._rest(piece.series, file)
                file = self._begin(piece.series, piece.stream)
            count = min(output.chunk - file.molecules, piece.molecules - done)
            done += count
            end = int(piece.ends[done - 1])
            file.molecules += count
            self._add(file, piece.text[begin:end])
            begin = end
            yield from self._full(piece.series, file)

    def _add(self, file: _File, text: bytes | memoryview) -> None:
        if file.text_hash:
            file.text_hash.update(text)
        file.pending.append(text)
        file.pending_size += len(text)

    def _full(self, series: int, file: _File) -> Iterator[Member]:
        """The whole members among what is pending; what is left is copied."""
        pack = self._pack[series]
        whole = file.pending_size if pack is None else file.pending_size // MEMBER * MEMBER
        if not whole:
            # do not keep a block's whole text for a small rest
            file.pending[-1:] = [bytes(part) for part in file.pending[-1:]]
            return
        rest = file.pending_size - whole
        parts = list(file.pending)
        tail: list[bytes | memoryview] = []
        if rest:
            last = parts.pop()
            cut = len(last) - rest
            tail = [bytes(last[cut:])]
            parts.append(last[:cut])
        file.pending, file.pending_size = tail, rest
        yield Member(file, tuple(part for part in parts if len(part)), pack)

    def _rest(self, series: int, file: _File) -> Iterator[Member]:
        """The last member of a file."""
        if file.pending_size:
            yield Member(file, tuple(file.pending), self._pack[series])
        file.pending, file.pending_size = [], 0

    def remaining(self) -> list[Member]:
        """The last members of all files, behind the last block."""
        return [
            member
            for (series, _), file in self._current.items()
            for member in self._rest(series, file)
        ]

    def write(self, member: Member, packed: Sequence[bytes | memoryview]) -> None:
        """Append a member to its file; to be called in the order in which members were cut.

        Raises:
            SeqloomError: The file cannot be written.
        """
        self._append(member.file, packed)

    def _append(self, file: _File, parts: Sequence[bytes | memoryview]) -> None:
        try:
            if file.path is None:
                self._to_stdout(parts)
            else:
                if not file.begun:
                    self._made.append(_incomplete(file.path))
                    file.path.parent.mkdir(parents=True, exist_ok=True)
                self._handles.write(_incomplete(file.path), parts, file.begun)
        except OSError as error:
            raise _unwritable(file.path, error) from error
        file.begun = True
        for part in parts:
            file.size += len(part)
            if file.file_hash:
                file.file_hash.update(part)

    def _to_stdout(self, parts: Sequence[bytes | memoryview]) -> None:
        if self._stdout is None:
            sys.stdout.flush()
            self._stdout = sys.stdout.buffer
        for part in parts:
            rest = memoryview(part)
            while rest:  # what is not buffered (PYTHONUNBUFFERED) may take only some of it
                rest = rest[self._stdout.write(rest) :]

    def finish(self) -> list[Written]:
        """Write the ends of all files; all of them exist then, even those without molecules.

        Raises:
            SeqloomError: A file cannot be written.
        """
        written = []
        for (series, stream), files in self._series.items():
            output = self._outputs[series]
            for number, file in enumerate(files):
                self._append(file, [end_mark(output.compression, file.size == 0)])
                final = None
                if file.path is not None:
                    final = path_of(output.stems[stream], output, number, len(files))
                    self._moves.append((self._closed(file), final))
                    self._moves.extend(self._digests(file, final))
                written.append(_told(file, final))
        try:
            if self._stdout is not None:
                self._stdout.flush()
        except OSError as error:
            raise _unwritable(None, error) from error
        return written

    def publish(self) -> None:
        """Give every file its name.

        Raises:
            InputError: A file exists by now; no file has its name then.
        """
        own = [(_incomplete(path), path) for path in self._own]
        self._move([*self._moves, *(pair for pair in own if pair[0].exists())])

    def _closed(self, file: _File) -> Path:
        path = _incomplete(file.path or Path())
        try:
            self._handles.close(path)
        except OSError as error:
            raise _unwritable(file.path, error) from error
        return path

    def _digests(self, file: _File, final: Path) -> Iterator[tuple[Path, Path]]:
        """Write the digests next to the file; under which name, and which one they get."""
        for kind, digest in (("uncompressed", file.text_hash), ("compressed", file.file_hash)):
            if digest is not None:
                path = final.with_name(f"{final.name}.{kind}.sha256")
                self._made.append(_incomplete(path))
                try:
                    _incomplete(path).write_text(digest.hexdigest())
                except OSError as error:
                    raise _unwritable(path, error) from error
                yield _incomplete(path), path

    def _move(self, moves: Sequence[tuple[Path, Path]]) -> None:
        if not self._overwrite and (there := [str(path) for _, path in moves if path.exists()]):
            raise InputError(f"{there[0]}: exists already; expected another name")
        for done, (source, target) in enumerate(moves):
            try:
                os.replace(source, target)  # noqa: PTH105 -- the same
            except OSError as error:
                for _, path in moves[:done]:
                    path.unlink(missing_ok=True)
                raise _unwritable(target, error) from error

    def abort(self) -> None:
        """Remove what was written; never fails."""
        self._handles.drop()
        for path in (*self._made, *(_incomplete(path) for path in self._own)):
            _remove(path)


def _exists(path: Path) -> Problem:
    return Problem(str(path), "exists already", "another name, or overwriting allowed")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # another error is being reported
        return


def _told(file: _File, final: Path | None) -> Written:
    return Written(
        final,
        file.segments,
        file.stream,
        file.molecules,
        file.size,
        file.text_hash.hexdigest() if file.text_hash else None,
        file.file_hash.hexdigest() if file.file_hash else None,
    )


def _unwritable(path: Path | None, error: OSError) -> SeqloomError:
    name = "standard output" if path is None else str(path)
    return SeqloomError(f"{name}: cannot be written: {error.strerror or error}")
