"""The reference's domains and chains, as tables and as what the partition looks up in them."""

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from pathlib import Path

import pandas as pd

from tasks.column_values import require_columns
from tasks.domains.ranges import Segments, parse_range, size

DOMAIN_COLUMNS = ("domain_id", "source_chain", "range", "length", "classification")
CHAIN_COLUMNS = ("chain_id", "length", "domain_id", "range", "classification")
SCOP_LEVELS = ("class", "fold", "superfamily", "family")
ECOD_LEVELS = ("X", "H", "T", "F")
HOMOLOGY_LEVELS = ("superfamily", "H")
"""Names of the level whose members are held to share an ancestor."""


@dataclass(frozen=True, slots=True)
class ReferenceDomain:
    """A domain of the reference as an entry of its own."""

    domain_id: str
    length: int
    """[aa]"""
    classification: tuple[str, ...]
    """One name per level, each with those above it: `("c", "c.23", "c.23.1")`; () if unknown."""


@dataclass(frozen=True, slots=True)
class ChainDomain:
    """A domain in a chain of the reference."""

    domain_id: str
    segments: Segments
    """In the chain's sequence."""
    classification: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReferenceChain:
    """A chain of the reference and its domains, by their starts."""

    chain_id: str
    length: int
    domains: tuple[ChainDomain, ...]


@dataclass(frozen=True)
class ReferenceTables:
    """What is known of the reference; the tables are never changed.

    `domains` has DOMAIN_COLUMNS, one row per domain.  `chains` has CHAIN_COLUMNS, one row per
    domain of a chain.  `classification` is dotted text such as `c.23.1.1`; "" where unknown.
    """

    domains: pd.DataFrame
    chains: pd.DataFrame
    levels: tuple[str, ...] = SCOP_LEVELS
    """Names of the levels of the hierarchy, the widest first."""

    def __post_init__(self) -> None:
        require_columns(self.domains, DOMAIN_COLUMNS, "domains of the reference")
        require_columns(self.chains, CHAIN_COLUMNS, "chains of the reference")

    @cached_property
    def domain_by_id(self) -> dict[str, ReferenceDomain]:
        """Each domain by its id."""
        names = ("domain_id", "length", "classification")
        columns = (self.domains[name].tolist() for name in names)
        return {
            one: ReferenceDomain(one, int(length), lineage(named, len(self.levels)))
            for one, length, named in zip(*columns, strict=True)
        }

    @cached_property
    def chain_by_id(self) -> dict[str, ReferenceChain]:
        """Each chain by its id."""
        found: dict[str, list[ChainDomain]] = {}
        lengths: dict[str, int] = {}
        columns = (self.chains[name].tolist() for name in CHAIN_COLUMNS)
        for chain, length, domain, positions, named in zip(*columns, strict=True):
            segments = parse_range(positions, f"range of {domain} in {chain}")
            one = ChainDomain(domain, segments, lineage(named, len(self.levels)))
            found.setdefault(chain, []).append(one)
            lengths[chain] = int(length)
        return {
            chain: ReferenceChain(chain, lengths[chain], tuple(sorted(found[chain], key=_place)))
            for chain in found
        }

    @cached_property
    def _junctions(self) -> dict[str, tuple[int, ...]]:
        found = {}
        for chain in self.chain_by_id.values():
            for domain in chain.domains:
                entry = self.domain_by_id.get(domain.domain_id)
                if entry and len(domain.segments) > 1 and entry.length == size(domain.segments):
                    ends = accumulate(end - start for start, end in domain.segments[:-1])
                    found[domain.domain_id] = tuple(ends)
        return found

    def junctions(self, domain_id: str) -> tuple[int, ...]:
        """Positions in the domain's own sequence where its chain leaves it and comes back."""
        return self._junctions.get(domain_id, ())

    @cached_property
    def homology_level(self) -> int:
        """Index of the level whose members share an ancestor; the last but one if none is named."""
        for name in HOMOLOGY_LEVELS:
            if name in self.levels:
                return self.levels.index(name)
        return max(len(self.levels) - 2, 0)


def load_tables(folder: Path, levels: tuple[str, ...]) -> ReferenceTables:
    """The tables of a built reference: `domains.parquet` and `chains.parquet` of its folder."""
    return ReferenceTables(
        domains=pd.read_parquet(folder / "domains.parquet"),
        chains=pd.read_parquet(folder / "chains.parquet"),
        levels=levels,
    )


@cache
def lineage(classification: object, depth: int) -> tuple[str, ...]:
    """The names of each level of a dotted classification: `c.23.1` gives `c`, `c.23`, `c.23.1`.

    Levels beyond `depth` are left out, a classification that is not text is unknown.
    """
    if not isinstance(classification, str) or not classification:
        return ()
    parts = classification.split(".")[:depth]
    return tuple(".".join(parts[: level + 1]) for level in range(len(parts)))


def _place(domain: ChainDomain) -> tuple[Segments, str]:
    return domain.segments, domain.domain_id
