"""Searches of proteins against a reference: programs are run here, without Prefect.

Each call has a temporary folder of its own and a time limit that kills the program with its
children. Everything that is wrong with the proteins is told before a program is started.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import pandas as pd

from blocks.errors import InputError, ToolError
from blocks.program_places import find_program, require_programs
from blocks.programs import program_version, run_program
from blocks.settings import settings as installation
from blocks.storage import refer
from blocks.work_folder import work_folder
from tasks.domains.blast import blastp_argv, read_blast
from tasks.domains.calls import Protein
from tasks.domains.evidence import Source, empty_evidence
from tasks.domains.hhsuite import DATABASE_PARTS, hhblits_argv, hhsearch_argv, read_hhr
from tasks.domains.hmmer_searching import jackhmmer_alignments, search_phmmer
from tasks.domains.profiles import renamed_a3m, single_a3m
from tasks.domains.queries import Queries, checked_queries, name_of
from tasks.domains.reference import Reference
from tasks.domains.search_settings import SearchSettings


def blast_engine(
    reference: Reference, settings: SearchSettings, source: Source = "domain_blast"
) -> Literal["blastp", "phmmer"]:
    """The program that will search as BLAST does.

    Raises:
        InputError: blastp is asked for and not installed, or the reference was built without.
    """
    asked = settings.blast.engine
    if asked == "phmmer":
        return "phmmer"
    usable = reference.has_blast(source) or not reference.has_sequences(source)
    if asked == "auto":
        return "blastp" if usable and find_program("blastp") is not None else "phmmer"
    require_programs("blastp")
    if not usable:
        raise InputError(
            f"{reference.folder}: has no BLAST database; expected a reference built with `blast`, "
            "or phmmer as the program"
        )
    return "blastp"


def search_versions(
    reference: Reference, settings: SearchSettings, *, hhsearch: bool
) -> dict[str, str]:
    """Versions of the programs that a search will use.

    Raises:
        InputError: One of them is not installed; the message names the package.
    """
    versions = {}
    if blast_engine(reference, settings) == "blastp":
        versions["blastp"] = program_version("blastp")
    else:
        versions["phmmer"] = f"pyhmmer {version('pyhmmer')}"
    if hhsearch:
        require_programs("hhsearch")
        versions["hhsearch"] = program_version("hhsearch")
        match settings.profiles.method:
            case "jackhmmer":
                versions["jackhmmer"] = f"pyhmmer {version('pyhmmer')}"
                if own := settings.profiles.sequences:
                    versions["jackhmmer"] += f", sequences {refer(str(placed(own))).digest}"
            case "hhblits":
                require_programs("hhblits")
                database = placed(settings.profiles.database)
                require_hh_database(database)
                size = Path(f"{database}_a3m.ffdata").stat().st_size
                told = f"{database.name} of {size} bytes"  # too large for a digest
                versions["hhblits"] = f"{program_version('hhblits')}, database {told}"
    return versions


def placed(path: str) -> Path:
    """A path of the settings; relative ones are of `SEQLOOM_DATA`, as those of inputs are."""
    return Path(installation().data, path)


def require_hh_database(database: Path) -> None:
    """Raise where a part of an HH-suite database is missing: hhsearch would crash.

    Raises:
        InputError: With the first file that is missing.
    """
    for part in DATABASE_PARTS:
        for suffix in ("ffdata", "ffindex"):
            path = Path(f"{database}_{part}.{suffix}")
            if not path.is_file():
                expected = "an HH-suite database, its path without _a3m.ffdata and the like"
                raise InputError(f"{path}: no such file; expected {expected}")


def search_blast(
    proteins: Sequence[Protein], reference: Reference, source: Source, settings: SearchSettings
) -> pd.DataFrame:
    """Evidence of one call of blastp, or of phmmer where that is to serve.

    Args:
        proteins: One chunk; an empty one has no evidence.
        source: `chain_blast` or `domain_blast`.

    Raises:
        InputProblems: What is wrong with the proteins.
        InputError: The program or the database is missing.
        ToolError: The program failed, ran into its limit, or its output is not whole.
    """
    if not proteins or not reference.has_sequences(source):
        return empty_evidence()
    queries = checked_queries(proteins)
    if blast_engine(reference, settings, source) == "phmmer":
        fasta = _there(reference.fasta(source))
        return search_phmmer(queries, fasta, source, settings.blast, settings.threads)
    database = reference.blast_database(source)
    with work_folder() as folder:
        query, out = folder / "queries.fasta", folder / "hits.tsv"
        query.write_text(queries.fasta(), encoding="ascii")
        argv = blastp_argv(query, database, out, settings.blast, settings.threads)
        run_program(argv, timeout_s=settings.blast.time_limit_s)
        if not out.is_file():
            raise ToolError("blastp", 0, "wrote no output")
        with out.open("rb") as file:
            return read_blast(file, queries, source)


def build_profile(protein: Protein, reference: Reference, settings: SearchSettings) -> str:
    """The alignment (a3m) of a protein that HHsearch takes.

    Raises:
        InputProblems: What is wrong with the protein.
        InputError: A program or database is missing.
        ToolError: jackhmmer or hhblits failed or ran into its limit.
    """
    queries = checked_queries([protein])
    match settings.profiles.method:
        case "single":
            return single_a3m(name_of(0), protein.sequence)
        case "jackhmmer":
            return _jackhmmer(queries, reference, settings)
        case "hhblits":
            return _hhblits(queries, settings)


def _jackhmmer(queries: Queries, reference: Reference, settings: SearchSettings) -> str:
    own = settings.profiles.sequences
    files = [placed(own)] if own else [reference.fasta("domain_blast")]
    if not own and reference.manifest.chains:
        files.append(reference.fasta("chain_blast"))
    targets = [_there(file) for file in files]
    (alignment,) = jackhmmer_alignments(queries, targets, settings.profiles, settings.threads)
    return alignment


def _hhblits(queries: Queries, settings: SearchSettings) -> str:
    database = placed(settings.profiles.database)
    require_hh_database(database)
    with work_folder() as folder:
        query, out = folder / "query.fasta", folder / "query.a3m"
        query.write_text(queries.fasta(), encoding="ascii")
        argv = hhblits_argv(
            query, database, out, settings=settings.profiles, threads=settings.threads
        )
        run_program(argv, timeout_s=settings.profiles.time_limit_s)
        if not out.is_file() or out.stat().st_size == 0:
            raise ToolError("hhblits", 0, "wrote no alignment")
        return renamed_a3m(out.read_text(encoding="utf-8"), name_of(0))


def search_hhsuite(
    protein: Protein, alignment: str, reference: Reference, settings: SearchSettings
) -> pd.DataFrame:
    """Evidence of HHsearch with the alignment (a3m) of one protein.

    Raises:
        InputError: hhsearch is not installed, or the reference has no HH-suite database.
        ToolError: hhsearch failed, ran into its limit, or its output is not whole.
    """
    reference.require_hhsuite()
    require_hh_database(reference.hhsuite_database)
    with work_folder() as folder:
        query, out = folder / "query.a3m", folder / "hits.hhr"
        query.write_text(renamed_a3m(alignment, name_of(0)), encoding="utf-8")
        database = reference.hhsuite_database
        argv = hhsearch_argv(query, database, out, settings.hhsearch, settings.threads)
        run_program(argv, timeout_s=settings.hhsearch.time_limit_s)
        if not out.is_file():
            raise ToolError("hhsearch", 0, "wrote no output")
        return read_hhr(out.read_text(encoding="utf-8", errors="replace"), protein.id)


def _there(file: Path) -> Path:
    if not file.is_file():
        raise InputError(f"{file}: no such file; expected sequences in FASTA")
    return file
