"""Files that arrived, and the runs that they start."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

_JSON: sa.types.TypeEngine[Any] = sa.JSON().with_variant(JSONB(), "postgresql")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "arrival_runs",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("watch", sa.Text, nullable=False),
        sa.Column("deployment", sa.Text, nullable=False),
        sa.Column("parameters", _JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("flow_run_id", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
    )
    op.create_index("ix_arrival_runs_state", "arrival_runs", ["watch", "state"])
    op.create_table(
        "arrivals",
        sa.Column("watch", sa.Text, primary_key=True),
        sa.Column("uri", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("run_key", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_arrivals_run_key", "arrivals", ["run_key"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("arrivals")
    op.drop_table("arrival_runs")
