"""Alignments of all domains of a reference: made, given, or taken over from an earlier part."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from blocks.errors import InputError, InputProblems, Problem, ToolError
from blocks.programs import run_program
from blocks.work_folder import work_folder
from tasks.domains.calls import Protein
from tasks.domains.ffindex import Entries, write_entries
from tasks.domains.hmmer_searching import jackhmmer_alignments
from tasks.domains.mmseqs_profiles import (
    alignments_argv,
    createdb_argv,
    read_alignments,
    search_argv,
)
from tasks.domains.parts import PartContent, finish_part, part_folder, similar_parts
from tasks.domains.profiles import a3m_problem, depth, renamed_a3m
from tasks.domains.queries import checked_queries
from tasks.domains.reference_model import (
    GivenProfiles,
    JackhmmerProfiles,
    MmseqsProfiles,
    Profiles,
)
from tasks.domains.search_settings import ProfileSettings
from tasks.sequence_files import fasta_text

ALIGNMENTS = "a3m"
SUFFIXES = ("", ".a3m", ".a3m.txt")
SEQUENCES = "sequences.tsv"
"""Domain and digest of its sequence, so that a later build finds what it can take over."""


def build_profiles(
    folder: Path,
    domains: Mapping[str, str],
    universe: Iterable[Path],
    *,
    params: Profiles,
    settings: str,
    threads: int,
    time_limit_s: float,
) -> PartContent:
    """Make the part: an a3m of each domain, the first record being the domain itself.

    Args:
        folder: Of the part.
        domains: Id -> sequence.
        universe: FASTA files that are searched.
        params: How.
        settings: Digest of all that decides an alignment besides the domain's own sequence.
        threads: Of each program.
        time_limit_s: Of each call.

    Raises:
        InputProblems: Given alignments are missing or not of the domains.
        ToolError: A program failed.
    """
    known = dict(_taken_over(folder, domains, settings))
    missing = {name: sequence for name, sequence in domains.items() if name not in known}
    made = dict(_made(missing, list(universe), params, threads, time_limit_s)) if missing else {}
    alignments = {name: known.get(name) or made.get(name, "") for name in domains}
    for name, text in alignments.items():
        if problem := a3m_problem(text, domains[name]):
            raise ToolError(params.kind, 0, f"alignment of {name}: {problem}")
    with part_folder(folder) as partial:
        write_entries(
            partial / ALIGNMENTS, ((name, text.encode()) for name, text in alignments.items())
        )
        lines = (f"{name}\t{sequence_digest(sequence)}\n" for name, sequence in domains.items())
        (partial / SEQUENCES).write_text("".join(lines), encoding="ascii")
        depths = [depth(text) for text in alignments.values()]
        content = PartContent(
            settings=settings,
            counts={
                "made": len(made),
                "taken_over": len(known),
                "mean_depth": sum(depths) / len(depths),
            },
            digests={"alignments": _digest(alignments)},
        )
        finish_part(partial, content)
    return content


def sequence_digest(sequence: str) -> str:
    """SHA-256 of a sequence, hexadecimal."""
    return hashlib.sha256(sequence.encode("ascii")).hexdigest()


def _digest(alignments: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(alignments):
        digest.update(f"{name}\0{alignments[name]}\0".encode())
    return digest.hexdigest()


def _taken_over(
    folder: Path, domains: Mapping[str, str], settings: str
) -> Iterator[tuple[str, str]]:
    """Alignments of earlier parts with the same settings, by the domains' sequences."""
    wanted: dict[str, list[str]] = {}
    for name, sequence in domains.items():
        wanted.setdefault(sequence_digest(sequence), []).append(name)
    for earlier in similar_parts(folder, settings):
        lines = (earlier / SEQUENCES).read_text(encoding="ascii").splitlines()
        found = {digest: name for name, digest in (line.split("\t") for line in lines)}
        shared = [digest for digest in wanted if digest in found]
        entries = Entries.of(earlier / ALIGNMENTS)
        contents = entries.items(found[digest] for digest in shared)
        for digest, (_, content) in zip(shared, contents, strict=True):
            for name in wanted.pop(digest):
                yield name, renamed_a3m(content.decode(), name)


def _made(
    domains: Mapping[str, str],
    universe: list[Path],
    params: Profiles,
    threads: int,
    time_limit_s: float,
) -> Iterator[tuple[str, str]]:
    match params:
        case MmseqsProfiles():
            yield from _mmseqs(domains, universe, params, threads, time_limit_s)
        case JackhmmerProfiles():
            yield from _jackhmmer(domains, universe, params, threads, time_limit_s)
        case GivenProfiles():
            yield from given_alignments(domains, Path(params.folder))
        case _:
            raise InputError("profiles: none; expected a way to make them")


def _mmseqs(
    domains: Mapping[str, str],
    universe: list[Path],
    params: MmseqsProfiles,
    threads: int,
    time_limit_s: float,
) -> Iterator[tuple[str, str]]:
    names = list(domains)
    with work_folder() as place:
        fasta = place / "domains.fasta"
        fasta.write_text("".join(fasta_text(names, domains.values())), encoding="ascii")
        queries, targets, result, alignments = (place / name for name in "qtra")
        for argv in (
            createdb_argv([fasta], queries),
            createdb_argv(universe, targets),
            search_argv(queries, targets, result, place / "tmp", params=params, threads=threads),
            alignments_argv(queries, targets, result, alignments, threads),
        ):
            run_program(argv, timeout_s=time_limit_s, max_log_lines=0)
        if not alignments.is_file():
            raise ToolError("mmseqs", 0, "wrote no alignments")
        for name, text in read_alignments(alignments, names):
            yield name, renamed_a3m(text, name)


def _jackhmmer(
    domains: Mapping[str, str],
    universe: list[Path],
    params: JackhmmerProfiles,
    threads: int,
    time_limit_s: float,
) -> Iterator[tuple[str, str]]:
    queries = checked_queries([Protein(name, text, "") for name, text in domains.items()])
    settings = ProfileSettings(
        rounds=params.rounds, evalue=params.evalue, time_limit_s=time_limit_s
    )
    made = jackhmmer_alignments(queries, universe, settings, threads)
    for name, text in zip(domains, made, strict=True):
        yield name, renamed_a3m(text, name)


def given_alignments(domains: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Alignments of a folder.

    Raises:
        InputError: There is no such folder.
        InputProblems: All that is wrong with them, at the end.
    """
    problems = []
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with alignments (a3m)")
    for name, sequence in domains.items():
        paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            problems.append(Problem(f"{folder}, domain {name!r}", "no file", f"{name}.a3m"))
            continue
        try:
            text = renamed_a3m(path.read_text(encoding="utf-8"), name)
        except UnicodeDecodeError:
            problems.append(Problem(str(path), "is no text", "an alignment (a3m)"))
            continue
        if problem := a3m_problem(text, sequence):
            problems.append(Problem(str(path), problem, "the domain's alignment (a3m)"))
        yield name, text
    if problems:
        raise InputProblems(problems)
