"""The jobs of building a reference; inputs and programs are checked before work begins."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from blocks.errors import InputError
from blocks.program_places import require_programs
from blocks.programs import program_version
from blocks.settings import settings
from blocks.storage import refer
from tasks.domains.part_jobs import (
    SOURCE_FILES,
    BlastJob,
    HhsuiteJob,
    ProfilesJob,
    ReferenceJobs,
    TablesJob,
)
from tasks.domains.profile_building import given_alignments
from tasks.domains.reference_model import (
    GivenProfiles,
    JackhmmerProfiles,
    MmseqsProfiles,
    NoProfiles,
    ReferenceParams,
)
from tasks.domains.reference_parts import require_free
from tasks.domains.reference_reading import ReferenceContent
from tasks.results import require_writable

REFERENCES = "references"
PARTS = ".parts"
HH_PROGRAMS = ("hhsearch", "hhmake", "ffindex_apply")


def jobs_of(params: ReferenceParams) -> ReferenceJobs:
    """The jobs of a build; all inputs are read and checked, all programs looked for.

    Raises:
        InputError: A program or file is missing, or the folder cannot be written.
        InputProblems: All that is wrong with the inputs.
    """
    versions = _versions(params)
    place = references_folder(params.folder)
    require_free(place / params.name)
    if not params.dry_run:
        require_writable(str(place))
    root = settings().data
    named = {name: str(getattr(params.source, name, "")) for name in SOURCE_FILES}
    files = {name: refer(uri, root) for name, uri in named.items() if uri}
    tables = TablesJob(source=params.source, files=files)
    content = tables.content()
    chains: dict[str, str] = dict(
        content.chain_sequences[["id", "sequence"]].itertuples(index=False)
    )
    digests = {"domains": _digest(_sequences(content)), "chains": _digest(chains)}
    kinds = ["domains", *(["chains"] if len(content.chain_sequences) else [])]
    profiles = _profiles_job(params, content, digests, versions, root)
    return ReferenceJobs(
        place=str(place),
        tables=tables,
        blast=tuple(
            BlastJob(
                kind=kind, sequences=digests[kind], version=versions["makeblastdb"], tables="",
                time_limit_s=params.time_limit_s,
            )
            for kind in kinds if params.blast
        ),
        profiles=profiles,
        hhsuite=HhsuiteJob(params=params.hhsuite, profiles=profiles, version=versions["hhsearch"])
        if profiles is not None
        else None,
        domains=len(content.domains),
        chains=len(content.chain_sequences),
        notes=content.notes,
        versions=versions,
    )  # fmt: skip


def references_folder(folder: str = "") -> Path:
    """Where references are: a folder on this machine, for programs read them.

    Raises:
        InputError: Results go to a remote place, and no folder is named.
    """
    if folder:
        return Path(folder).absolute()
    root = settings().results
    if "://" in root:
        raise InputError(
            f"folder: empty, and results go to {root}; expected a folder on this machine"
        )
    return Path(root, REFERENCES)


def _versions(params: ReferenceParams) -> dict[str, str]:
    """Versions of the programs that will be run; raises where one is missing."""
    from importlib.metadata import version

    versions = {}
    if params.blast:
        require_programs("makeblastdb")
        versions["makeblastdb"] = program_version("makeblastdb")
    match params.profiles:
        case NoProfiles():
            return versions
        case MmseqsProfiles():
            require_programs("mmseqs")
            versions["mmseqs"] = program_version("mmseqs")
        case JackhmmerProfiles():
            versions["jackhmmer"] = f"pyhmmer {version('pyhmmer')}"
    states = ["cstranslate"] if params.hhsuite.states == "cstranslate" else []
    require_programs(*HH_PROGRAMS, *states)
    versions["hhsearch"] = program_version("hhsearch")
    return versions


def _profiles_job(
    params: ReferenceParams,
    content: ReferenceContent,
    digests: Mapping[str, str],
    versions: Mapping[str, str],
    root: str,
) -> ProfilesJob | None:
    """The job of the alignments; None where none are wanted."""
    universe: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    wanted = params.profiles
    match wanted:
        case NoProfiles():
            return None
        case GivenProfiles():
            placed = str(_placed(wanted.folder, root))
            wanted = wanted.model_copy(update={"folder": placed})
            given = given_alignments(_sequences(content), Path(placed))
            universe = (_digest(dict(given)),)
        case MmseqsProfiles() | JackhmmerProfiles():
            if wanted.sequences:
                ref = refer(wanted.sequences, root)
                if "://" in ref.uri:
                    raise InputError(f"{ref.uri}: is remote; expected a file on this machine")
                universe, searched = (ref.digest,), (ref.uri,)
            else:
                universe = (digests["domains"], digests["chains"])
    return ProfilesJob(
        params=wanted,
        domains=digests["domains"],
        universe=universe,
        searched=searched,
        version=versions.get("mmseqs") or versions.get("jackhmmer", ""),
        tables="",
        threads=params.threads,
        time_limit_s=params.time_limit_s,
    )


def _sequences(content: ReferenceContent) -> dict[str, str]:
    """Domain -> sequence, in their order."""
    return dict(content.domains[["domain_id", "sequence"]].itertuples(index=False))


def _placed(path: str, root: str) -> Path:
    return Path(path) if Path(path).is_absolute() else Path(root, path)


def _digest(text_by_id: Mapping[str, str]) -> str:
    text = json.dumps(text_by_id, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
