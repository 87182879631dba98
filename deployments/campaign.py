"""`make campaign`: from the reads of a simulated library to the next round, beside the truth.

The library has planted variants that gain; what the campaign finds and designs is compared with
them. Runs through the deployment `workflows/campaign`, as `make demo` does with its own.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deployments.local import LocalPrefect
from deployments.watched_runs import say, watched
from tasks.agents.rechecking import recheck

DEPLOYMENT = "workflows/campaign"
PARAMETERS = {"workflow": "deployments/example/campaign/campaign.yaml"}
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a campaign found, beside the truth of its simulated library."""

    ranking: pd.DataFrame
    """The best variants: rank, variant, score, error; fitness and planted are the truth."""
    planted: int
    found: int
    """Planted variants among as many first ones: precision and recall at that number."""
    designs: pd.DataFrame
    """Designs of the next round with their true fitness."""
    best_before: float
    """True fitness of the best variant of the library [log2 per round]."""

    @property
    def better(self) -> int:
        """Designs that are truly better than all variants of the library."""
        return int((self.designs["fitness"] > self.best_before).sum())


def recovered(folders: Mapping[str, str]) -> Recovered:
    """Compare results with the truth.

    Args:
        folders: Of the steps `library`, `variants` and `design`.
    """
    library = Path(folders["library"])
    truth = pd.read_csv(library / "truth.tsv", sep="\t")
    effects = pd.read_csv(library / "truth_effects.tsv", sep="\t").set_index("substitution")
    variants = pd.read_csv(Path(folders["variants"]) / "variants.tsv", sep="\t")
    columns = ["rank", "variant", "score", "error"]
    ranking = (
        variants[columns]
        .sort_values("rank")
        .merge(truth[["variant", "fitness", "planted"]], "left", on="variant")
    )
    planted = int(truth["planted"].sum())
    designs = pd.read_csv(Path(folders["design"]) / "designs.csv")
    true = [effects["effect"].reindex(names.split("/")).sum() for names in
            designs["parent_mutations"]]  # fmt: skip
    return Recovered(
        ranking=ranking,
        planted=planted,
        found=int(ranking.head(planted)["planted"].eq(True).sum()),
        designs=designs.assign(fitness=true),
        best_before=float(truth["fitness"].max()),
    )


def _show(prefect: LocalPrefect, run: dict[str, Any], seconds: float) -> None:
    latest = Path(prefect.environment["SEQLOOM_RESULTS"]) / "workflows" / "latest"
    manifest = json.loads((latest / "RUN.json").read_text())
    found = recovered(manifest["folders"])
    review = recheck(manifest["folders"]["summary"])
    holds = "all found" if not review.missing else f"{len(review.missing)} sentences do not hold"
    say("\nBest variants, beside the truth\n" + found.ranking.head(SHOWN).to_string(index=False))
    columns = ["rank", "parent_mutations", "additive_score", "fitness"]
    say("\nDesigns of the next round\n" + found.designs[columns].head(5).to_string(index=False))
    say(
        f"\nOf {found.planted} planted variants, {found.found} are among the first {found.planted}."
        f"\nOf {len(found.designs)} designs, {found.better} are truly better than the best variant"
        f" of the library ({found.best_before:.2f} log2 per round)."
        f"\n{review.numbers} numbers and names in the {review.sentences} sentences of the summary,"
        f" looked up again in the tables: {holds}."
        f"\n  page     {manifest['page']}"
        f"\n  summary  {manifest['folders']['summary']}/summary.md"
        f"\n  run      {run['name']} ({run['id'][:8]})"
        f"\nFrom the command to the end it took {seconds:.0f} s."
    )


def main() -> int:
    """Run the campaign; exit status 1 when it failed, with one line that says why."""
    return watched(DEPLOYMENT, PARAMETERS, _show)


if __name__ == "__main__":
    sys.exit(main())
