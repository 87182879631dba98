"""The HH-suite database of a reference, put together of alignments, profiles and states.

Profiles and states of alignments that an earlier part had are taken over. Before the part is done
it is searched once, with the alignment of one domain, which must be found.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from blocks.errors import ToolError
from blocks.program_places import find_program, not_found
from blocks.programs import run_program
from blocks.work_folder import work_folder
from tasks.domains.ffindex import Entries, placeholder_states, unequal_names, write_entries
from tasks.domains.hhsuite import cstranslate_argv, hhmake_argv, hhsearch_argv, read_hhr
from tasks.domains.parts import PartContent, finish_part, link_or_copy, part_folder, similar_parts
from tasks.domains.profile_building import ALIGNMENTS
from tasks.domains.reference import SEARCHED
from tasks.domains.reference_model import HhsuiteParams
from tasks.domains.search_settings import HhsearchSettings

LIBRARIES = (Path("/usr/share/hhsuite/data"), Path("/usr/lib/hhsuite/data"))
"""Where Debian's package has `cs219.lib`."""
CS219 = "cs219.lib"
CHECK_LIMIT_S = 600.0
CHECKED_LENGTH = 120
"""Of the domain that the database is searched with, as far as there is one [aa]."""
Make = Callable[[Path, Path], None]
"""Makes a database of entries of one of alignments; paths without `.ffdata`."""


def build_hhsuite(
    folder: Path,
    profiles: Path,
    lengths: Mapping[str, int],
    *,
    params: HhsuiteParams,
    settings: str,
    threads: int,
    time_limit_s: float,
) -> PartContent:
    """Make the part: `reference_{a3m,hhm,cs219}` with equal names of entries.

    Args:
        folder: Of the part.
        profiles: The part with the alignments.
        lengths: Domain -> residues.
        params: What it holds.
        settings: Digest of what decides a profile or state besides the alignment.
        threads: Alignments at the same time.
        time_limit_s: Of each call.

    Raises:
        InputError: A program is not installed.
        ToolError: A program failed, or the database does not find what is in it.
    """
    alignments = Entries.of(profiles / ALIGNMENTS)
    taken_over = 0
    with part_folder(folder) as partial:
        write_entries(partial / "reference_a3m", alignments.items())
        making: dict[str, Make] = {}
        if params.hmms:
            making["hhm"] = lambda source, out: _run(hhmake_argv(source, out), time_limit_s)
        if params.states == "cstranslate":
            making["cs219"] = _cstranslate(time_limit_s)
        else:
            write_entries(partial / "reference_cs219", placeholder_states(lengths))
        for part, make in making.items():
            earlier = _taken_over(folder, settings, part, alignments)
            taken_over = len(earlier)
            missing = [name for name in alignments if name not in earlier]
            made = _in_slices(alignments, missing, make, threads)
            write_entries(partial / f"reference_{part}", (earlier | made).items())
        _check(
            partial / "reference",
            ["a3m", "cs219", *(["hhm"] if params.hmms else [])],
            min(lengths, key=lambda name: abs(lengths[name] - CHECKED_LENGTH)),
        )
        if params.hmms:  # searches read the alignments, see `tasks.domains.reference`
            for file in sorted(partial.glob("reference_[ac]*")):
                link_or_copy(file, partial / file.name.replace("reference", SEARCHED))
        content = PartContent(
            settings=settings,
            counts={"entries": len(alignments), "taken_over": taken_over},
        )
        finish_part(partial, content)
    return content


def state_library() -> Path:
    """Folder with the states that cstranslate writes.

    Raises:
        InputError: The package is not installed.
    """
    found = next((place for place in LIBRARIES if (place / CS219).is_file()), None)
    if found is None:
        raise not_found("cstranslate")
    return found


def _cstranslate(time_limit_s: float) -> Make:
    program = find_program("cstranslate")
    if program is None:
        raise not_found("cstranslate")
    library = state_library()
    return lambda source, out: _run(cstranslate_argv(program, source, out, library), time_limit_s)


def _run(argv: Sequence[str], time_limit_s: float) -> None:
    run_program(argv, timeout_s=time_limit_s, max_log_lines=0)


def _taken_over(folder: Path, settings: str, part: str, alignments: Entries) -> dict[str, bytes]:
    """Entries of the newest earlier part that were made of the same alignments."""
    for earlier in similar_parts(folder, settings):
        made = Path(f"{earlier / 'reference'}_{part}")
        if not Path(f"{made}.ffindex").is_file():
            continue
        before = {
            name: _digest(text) for name, text in Entries.of(earlier / "reference_a3m").items()
        }
        entries = Entries.of(made)
        same = [
            name
            for name, text in alignments.items()
            if before.get(name) == _digest(text) and name in entries
        ]
        return dict(entries.items(same))
    return {}


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _in_slices(
    alignments: Entries, names: Sequence[str], make: Make, threads: int
) -> dict[str, bytes]:
    """What `make` makes of alignments, several at the same time."""
    if not names:
        return {}
    slices = [part for start in range(threads) if (part := names[start::threads])]
    with work_folder() as temporary:

        def made(number: int, part: Sequence[str]) -> dict[str, bytes]:
            source, out = temporary / f"a3m{number}", temporary / f"out{number}"
            write_entries(source, alignments.items(part))
            make(source, out)
            if not Path(f"{out}.ffindex").is_file():
                raise ToolError("ffindex", 0, f"nothing was made of the alignment of {part[0]}")
            return dict(Entries.of(out).items())

        with ThreadPoolExecutor(threads) as pool:
            # in the context of the run, so that it can be cancelled and logs what it does
            futures = [
                pool.submit(copy_context().run, made, number, part)
                for number, part in enumerate(slices)
            ]
            found = {name: text for future in futures for name, text in future.result().items()}
    for name in names:
        if not found.get(name, b"").strip():
            raise ToolError("hhmake", 0, f"nothing was made of the alignment of {name}")
    return found


def _check(database: Path, parts: Sequence[str], name: str) -> None:
    """Whether all parts have the same entries, and a search with one of them finds it."""
    entries = {part: Entries.of(Path(f"{database}_{part}")) for part in parts}
    if odd := unequal_names(entries):
        raise ToolError("ffindex", 0, f"entries differ: {odd}")
    _, alignment = next(entries["a3m"].items([name]))
    with work_folder() as temporary:
        query, out = temporary / "query.a3m", temporary / "query.hhr"
        query.write_bytes(alignment)
        argv = hhsearch_argv(query, database, out, HhsearchSettings(max_hits=10), 1)
        _run(argv, CHECK_LIMIT_S)
        found = read_hhr(out.read_text(encoding="utf-8"), name)["target"].tolist()
    if name not in found:
        told = ", ".join(found[:5]) or "nothing"
        raise ToolError("hhsearch", 0, f"a search with {name} finds {told}, not {name} itself")
