"""Pages of runs over variants: enrichment, and positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.report.heat_map import heat_map
from tasks.report.number_text import duration
from tasks.report.page import Section, key_numbers, page
from tasks.report.scatter import Point, scatter
from tasks.report.svg import joined
from tasks.report.tables import data_table
from tasks.variants.region import WILD_TYPE, Region, substitutions
from tasks.variants.simulation import RESIDUES

LABELLED = 10
"""Best variants that the plot names."""
NOTE = (
    "Scores are slopes of log2 (variant / reference) over the rounds; 0 is the wild type. Variants"
    " stand by the lower end of their 95 % interval."
)


@dataclass(frozen=True, slots=True)
class VariantsPage:
    """What the page of an enrichment shows."""

    subtitle: str
    seconds: float
    region: Region
    variants: pd.DataFrame
    effects: pd.DataFrame
    samples: pd.DataFrame
    facts: Mapping[str, str]
    files: Sequence[str]


def variants_page(run: VariantsPage) -> str:
    """The whole HTML document."""
    known = run.variants[run.variants["rank"] > 0]
    numbers: dict[str, float | str] = {
        "variants scored": len(known),
        "better than the wild type": int((known["lower"] > 0).sum()),
        "with too few reads": len(run.variants) - len(known),
        "reads": int(run.samples["reads"].sum()),
        "took": duration(run.seconds),
    }
    columns = [
        "rank", "variant", "score", "error", "lower", "upper", "between", "replicates",
        "count_first", "count_last",
    ]  # fmt: skip
    table = data_table(known[columns], label="variants", where="variants.tsv")
    sections = [
        Section("Run", "run", joined([key_numbers(numbers), _cloud(known)])),
        Section("Variants", "variants", table, NOTE),
        Section(
            "Effects of single substitutions", "effects", _map(run.effects, run.region),
            "From all variants, as if effects added up [log2 per round]; dots: the wild type.",
        ),
        Section("Samples", "samples", data_table(run.samples, label="samples")),
        *closing(run.facts, run.files),
    ]  # fmt: skip
    return page("Variants", run.subtitle, sections)


def _cloud(known: pd.DataFrame) -> Markup:
    before = np.log10(known["count_first"].to_numpy(np.float64))
    best = known.head(LABELLED)
    named = [
        Point(float(np.log10(reads)), float(score), f"{name}: {score:.2f}")
        for name, reads, score in zip(
            best["variant"], best["count_first"], best["score"], strict=True
        )
        if name != WILD_TYPE
    ]
    names = ("log10 of reads before selection", "score [log2 per round]")
    return scatter(
        before, known["score"], names=names, front=named, front_name="best", what="variants"
    )


def _map(effects: pd.DataFrame, region: Region) -> Markup:
    matrix = np.full((len(RESIDUES), region.codons), np.nan)
    for name, effect in zip(effects["substitution"], effects["effect"], strict=True):
        _, place, new = substitutions(name)[0]
        matrix[RESIDUES.index(new), place - region.first] = effect
    marks = {(RESIDUES.index(old), column) for column, old in enumerate(region.residues)}
    places = [str(region.first + column) for column in range(region.codons)]
    return heat_map(
        matrix, list(RESIDUES), places, value_name="effect", diverging=True, marks=marks,
        mark_name="wild type",
    )  # fmt: skip


def positions_page(
    table: pd.DataFrame, subtitle: str, facts: Mapping[str, str], files: Sequence[str], note: str
) -> str:
    """The whole HTML document of a run over positions."""
    counts = table["kind"].value_counts()
    numbers: dict[str, float | str] = {str(kind): int(count) for kind, count in counts.items()}
    body = [key_numbers(numbers), data_table(table, label="positions", where="positions.tsv")]
    if note:
        body.insert(0, Markup('<p class="lead">{}</p>').format(note))
    sections = [Section("Positions", "positions", joined(body)), *closing(facts, files)]
    return page("Positions", subtitle, sections)


def closing(facts: Mapping[str, str], files: Sequence[str]) -> list[Section]:
    """What stands at the end of both."""
    items = [Markup('<li><a href="{0}">{0}</a></li>').format(name) for name in files]
    frame = pd.DataFrame({"what": list(facts), "value": list(facts.values())})
    return [
        Section("Files", "files", Markup("<ul>{}</ul>").format(joined(items))),
        Section("How", "how", data_table(frame, label="parameters and versions", max_rows=500)),
    ]
