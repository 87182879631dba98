"""Names of the columns that runs give themselves."""

ROW_COLUMNS = ("id", "description", "sequence", "length", "digest", "source")
"""Columns of every source."""
RANK_COLUMNS = ("rank", "rank_score", "pareto_front", "crowding")
RESERVED = frozenset(
    {"item", *ROW_COLUMNS, "outcome", "lost_at", "method", "mutations", "parent", "rank"}
)
"""Columns that no filter and no generator may give under a name of the user's choice."""
