"""The invented domains, chains and proteins of `deployments/example/domains`.

`python -m tests.domains.example_data FOLDER` writes the files, always the same.  No sequence is
natural: ids begin with 0, as no entry of the PDB does, and classes with letters that SCOP has not.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeAlias

from tasks.domains.ranges import Segments, normalised, range_text
from tests.domains.families import Sites, ancestor, drawn, evolved, linker, text

SEED = 2
FAMILY, FAR, MEMBER, NEAR = 1.0, 1.5, 0.55, 0.35
"""Distances: of a family from its superfamily's ancestor, and of one that only proteins have; of a
member of the reference, and of a protein, from its family's ancestor."""
SUPERFAMILIES = {
    "x.1.1": 92, "x.2.1": 124, "x.3.1": 138, "x.4.1": 128, "y.1.1": 96, "y.2.1": 104,
    "y.2.2": 106, "y.3.1": 90, "z.1.1": 58, "z.2.1": 132, "z.3.1": 84,
}  # fmt: skip
"""Lengths of their ancestors [aa]; y.2.1 and y.2.2 share a fold, not a sequence."""
ELSEWHERE = ("8", "9")
"""Numbers of families that are not in the reference."""
SPLIT = 0.55
"""Where a domain may take in another one, as a share of its length."""

Plan: TypeAlias = "tuple[str | tuple[str, str], ...]"
"""Families along a chain; a pair is a domain and the one that lies inside it."""
CHAINS: tuple[tuple[str, Plan], ...] = (
    ("abcd", ("x.1.1.1", "x.2.1.1")),
    ("efgh", (("x.3.1.1", "y.1.1.1"),)),
    ("jkl", ("y.2.1.1", "y.2.2.1")),
    ("mno", ("y.2.1.2", "z.2.1.1")),
    ("pq", ("z.1.1.1", "z.1.1.1", "z.1.1.1")),
    ("rs", ("z.3.1.1", "x.4.1.1", "y.3.1.1")),
    ("t", ("x.2.1.2",)),
)
"""Letters of the chains' ids, and what each of them holds."""


@dataclass
class Chain:
    """A sequence and the domains in it."""

    id: str
    sequence: str = ""
    domains: list[tuple[str, Segments]] = field(default_factory=list)
    """Family and segments, by the order of their first residues."""

    def add(self, *parts: tuple[str, str]) -> None:
        """Append stretches: each a family ('' is a linker) and residues."""
        pieces: dict[str, list[tuple[int, int]]] = {}
        for family, letters in parts:
            start = len(self.sequence)
            self.sequence += letters
            if family:
                pieces.setdefault(family, []).append((start, len(self.sequence)))
        self.domains += [(family, normalised(found)) for family, found in pieces.items()]

    def residues(self, segments: Segments) -> str:
        """Of a domain."""
        return "".join(self.sequence[start:end] for start, end in segments)


class World:
    """Families of one seed."""

    def __init__(self, seed: int = SEED) -> None:
        self.random = Random(seed)
        self.ancestors = {
            name: ancestor(length, self.random) for name, length in SUPERFAMILIES.items()
        }
        self.families: dict[str, Sites] = {}

    def family(self, name: str) -> Sites:
        """The ancestor of a family."""
        if name not in self.families:
            above, _, number = name.rpartition(".")
            distance = FAR if number in ELSEWHERE else FAMILY
            self.families[name] = evolved(self.ancestors[above], distance, self.random)
        return self.families[name]

    def chain(self, name: str, plan: Plan, distance: float) -> Chain:
        """A chain with new members of families."""
        made = Chain(name)
        for number, one in enumerate(plan):
            if number:
                made.add(("", linker(3 + int(self.random.random() * 5), self.random)))
            outer, inner = one if isinstance(one, tuple) else (one, "")
            sites = evolved(self.family(outer), distance, self.random)
            if not inner:
                made.add((outer, text(sites)))
                continue
            cut = SPLIT * SUPERFAMILIES[outer.rpartition(".")[0]]
            at = next(n for n, site in enumerate(sites) if site.origin >= cut)
            inside = text(evolved(self.family(inner), distance, self.random))
            first, second = (linker(3, self.random) for _ in range(2))
            made.add(
                (outer, text(sites[:at])), ("", first), (inner, inside), ("", second),
                (outer, text(sites[at:])),
            )  # fmt: skip
        return made

    def queries(self) -> Iterator[tuple[Chain, str]]:
        """Proteins to annotate, and what is remarkable about each."""
        plans: tuple[tuple[str, Plan, str], ...] = (
            ("pair", ("x.1.1.1", "x.2.1.1"), "as in chains 0aa1_A to 0ad1_A"),
            ("remote", ("y.2.1.9", "x.1.1.9"), "families that the reference has not"),
            ("inserted", (("x.3.1.1", "y.1.1.1"),), "one domain inside the other"),
            ("inserted_remote", (("x.3.1.9", "y.1.1.1"),), "the outer one is remote"),
            ("recombined", ("y.2.2.1", "x.1.1.1"), "domains that no chain has side by side"),
            ("half_remote", ("y.2.1.8", "z.2.1.1"), "the first one is remote"),
            ("repeats", ("z.1.1.1",) * 4, "four where the reference's chains have three"),
            ("three", ("z.3.1.1", "x.4.1.1", "y.3.1.1"), "three domains"),
        )
        for name, plan, note in plans:
            yield self.chain(name, plan, NEAR), note
        whole = self.chain("fragment", ("x.4.1.1",), NEAR)
        fragment = Chain("fragment")
        fragment.add(("x.4.1.1", whole.sequence[: int(0.55 * len(whole.sequence))]))
        yield fragment, "the first half of a domain"
        partly = self.chain("half_known", ("x.2.1.1",), NEAR)
        partly.add(("", drawn(110, self.random)))
        yield partly, "nothing in the reference resembles its second half"
        yield Chain("orphan", drawn(150, self.random)), "nothing in the reference resembles it"
        yield Chain("peptide", drawn(24, self.random)), "too short for a domain"


def files(seed: int = SEED) -> dict[str, str]:
    """Names and texts of the files."""
    world = World(seed)
    plans = [(letter, plan) for letters, plan in CHAINS for letter in letters]
    chains = [world.chain(f"0a{letter}1_A", plan, MEMBER) for letter, plan in plans]
    sequences, table = [], ["domain_id\tsource_chain\trange\tclassification"]
    for chain in chains:
        for number, (family, segments) in enumerate(chain.domains, start=1):
            name = f"d{chain.id[:4]}a{number}"
            sequences.append((name, chain.residues(segments)))
            table.append(f"{name}\t{chain.id}\t{range_text(segments)}\t{family}")
    truth, queries = ["protein\trange\tclassification\tnote"], []
    for query, note in world.queries():
        queries.append((query.id, query.sequence))
        for family, segments in query.domains or [("", ())]:
            above, _, number = family.rpartition(".")
            known = above if number in ELSEWHERE else family
            truth.append(f"{query.id}\t{range_text(segments)}\t{known}\t{note}")
    return {
        "domains.fasta": _fasta(sequences),
        "domains.tsv": "\n".join(table) + "\n",
        "chains.fasta": _fasta([(chain.id, chain.sequence) for chain in chains]),
        "proteins.fasta": _fasta(queries),
        "truth.tsv": "\n".join(truth) + "\n",
    }


def _fasta(records: list[tuple[str, str]]) -> str:
    """Records in lines of 60 letters."""
    wrapped = (
        (name, "\n".join(letters[at : at + 60] for at in range(0, len(letters), 60)))
        for name, letters in records
    )
    return "".join(f">{name}\n{lines}\n" for name, lines in wrapped)


if __name__ == "__main__":
    for name, content in files().items():
        Path(sys.argv[1], name).write_text(content)
