"""Parameters of small runs of the design pipeline."""

from tasks.design.model import DesignParams

PARENT = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV"


def params(stages: list[dict], **others) -> DesignParams:
    return DesignParams.model_validate({"stages": stages, "parent": {"sequence": PARENT}, **others})


def mutants(count: int) -> dict:
    with_ = {"kind": "mutate", "count": count, "min_mutations": 1, "max_mutations": 9}
    return {"name": "variants", "uses": "generate", "with": with_}


def small(count: int = 200, **others) -> DesignParams:
    """Generate, two predictions in parallel, two filters, rank."""
    same = {"name": "same", "uses": "predict", "needs": ["variants"], "with": {"kind": "identity"}}
    close = {"kind": "threshold", "column": "parent_identity", "min": 0.93}
    stable = {"kind": "threshold", "column": "instability_index", "max": 50}
    goals = [{"column": "gravy", "goal": "minimise"}, {"column": "parent_identity"}]
    return params(
        [
            mutants(count),
            same,
            {"name": "pp", "uses": "predict", "needs": ["variants"], "with": {"kind": "protparam"}},
            {"name": "close", "uses": "filter", "needs": ["same"], "with": close},
            {"name": "stable", "uses": "filter", "needs": ["pp"], "with": stable},
            {
                "name": "best",
                "uses": "rank",
                "needs": ["close", "stable"],
                "with": {"method": "pareto", "top": 20, "objectives": goals},
            },
        ],
        **others,
    )
