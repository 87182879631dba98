"""Tables and BLAST databases of a reference, and the folder in which all parts come together."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import pandas as pd

from blocks.errors import InputError, ToolError
from blocks.programs import run_program
from tasks.domains.blast import DATABASE_SUFFIXES, makeblastdb_argv
from tasks.domains.parts import PartContent, finish_part, link_or_copy, part_folder
from tasks.domains.profile_building import sequence_digest
from tasks.domains.reference import (
    BUILD,
    MANIFEST,
    fingerprint,
    listed_files,
    open_reference,
)
from tasks.domains.reference_model import ReferenceManifest
from tasks.domains.reference_reading import ReferenceContent
from tasks.sequence_files import fasta_text


def build_tables(folder: Path, content: ReferenceContent) -> PartContent:
    """Make the part with tables and sequences."""
    domains = content.domains.drop(columns="sequence")
    with part_folder(folder) as partial:
        domains.to_parquet(partial / "domains.parquet", index=False)
        content.chains.to_parquet(partial / "chains.parquet", index=False)
        _write_fasta(
            partial / "domains.fasta", content.domains["domain_id"], content.domains["sequence"]
        )
        chains = content.chain_sequences
        _write_fasta(partial / "chains.fasta", chains["id"], chains["sequence"])
        made = PartContent(
            counts={
                "domains": len(domains),
                "chains": len(chains),
                "residues": int(domains["length"].sum()),
            },
            notes=content.notes,
            digests={
                "domains": _table_digest(content.domains),
                "chains": _table_digest(content.chains),
                "chain_sequences": _table_digest(chains),
            },
        )
        finish_part(partial, made)
    return made


def _write_fasta(path: Path, ids: pd.Series, sequences: pd.Series) -> None:
    with path.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(fasta_text(ids, sequences))


def _table_digest(frame: pd.DataFrame) -> str:
    """Of the cells, whatever version of Parquet they are stored in."""
    return sequence_digest(frame.to_csv(index=False))


def build_blast(folder: Path, fasta: Path, kind: str, time_limit_s: float) -> PartContent:
    """Make the part with a BLAST database, named `kind`.

    Raises:
        InputError: makeblastdb is not installed.
        ToolError: It failed, or left no whole database.
    """
    with part_folder(folder) as partial:
        argv = makeblastdb_argv(fasta, partial / kind, kind)
        run_program(argv, timeout_s=time_limit_s, max_log_lines=0)
        for suffix in DATABASE_SUFFIXES:
            if not (partial / f"{kind}{suffix}").is_file():
                raise ToolError("makeblastdb", 0, f"wrote no {kind}{suffix}")
        content = PartContent()
        finish_part(partial, content)
    return content


def assemble(
    place: Path,
    parts: Sequence[tuple[str, Path]],
    manifest: ReferenceManifest,
    identity: Mapping[str, object],
) -> Path:
    """Put the parts of a reference together, and point its name at the new folder.

    Args:
        place: Folder of references.
        parts: Folder within the reference ("" for its own) and part.
        manifest: Without fingerprint and files.
        identity: What decides what a search in it finds.

    Returns:
        The folder, `name-fingerprint`; `name` is a link to it.

    Raises:
        InputError: There is something else of that name.
    """
    told = fingerprint(identity)
    link, folder = place / manifest.name, place / f"{manifest.name}-{told}"
    require_free(link)
    place.mkdir(parents=True, exist_ok=True)
    partial = Path(mkdtemp(prefix=f".{folder.name}.", dir=place))
    try:
        for inside, part in parts:
            for file in sorted(part.iterdir()):
                if file.suffix != ".json":
                    link_or_copy(file, partial / inside / file.name)
        whole = manifest.model_copy(update={"fingerprint": told, "files": listed_files(partial)})
        text = whole.model_dump_json(indent=2) + "\n"
        (partial / MANIFEST).write_text(text, encoding="utf-8")
        partial.chmod(0o755)
        _put(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _point(link, folder)
    return folder


def require_free(link: Path) -> None:
    """Raise where the name of a reference is taken by something else.

    Raises:
        InputError: With what is there.
    """
    if link.exists() and not link.is_symlink():
        raise InputError(f"{link}: is there, and no link to a reference; expected another name")


def _put(partial: Path, folder: Path) -> None:
    """Give the whole folder its name; one with the same fingerprint stays if it is whole."""
    if folder.exists():
        try:
            open_reference(folder)
        except InputError:
            aside = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            return
    try:
        partial.rename(folder)
    except OSError:
        open_reference(folder)  # another build of the same was faster


def _point(link: Path, folder: Path) -> None:
    beside = link.with_name(f".{link.name}.{uuid4().hex[:8]}")
    beside.symlink_to(folder.name)
    os.replace(beside, link)  # noqa: PTH105 -- a link, not what it points to


def find_reference(name: str, place: Path) -> Path:
    """Folder of a reference by path or, where there is none, by name among those that were built.

    Raises:
        InputError: Neither.
    """
    for candidate in (Path(name), place / name):
        if (candidate / MANIFEST).is_file():
            return candidate
    raise InputError(f"{name}: no reference here nor in {place}; {BUILD}")
