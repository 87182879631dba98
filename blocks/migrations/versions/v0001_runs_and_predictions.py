"""The first tables: runs with their metrics, predictions with their files.

A version is never changed once it is released; the tables of today are those of the last one.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_JSON: sa.types.TypeEngine[Any] = sa.JSON().with_variant(JSONB(), "postgresql")
_MOMENT = sa.DateTime(timezone=True)
_DIGEST = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _make_ledger()
    _make_predictions()


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "prediction_files",
        "predictions",
        "prediction_models",
        "pipeline_metrics",
        "pipeline_executions",
    ):
        op.drop_table(table)


def _make_ledger() -> None:
    op.create_table(
        "pipeline_executions",
        sa.Column("execution_id", sa.Text, primary_key=True),
        sa.Column("pipeline_type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("input_data", _JSON),
        sa.Column("output_data", _JSON),
        sa.Column("execution_log", _JSON, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("completed_at", _MOMENT),
        sa.Column("created_by", sa.Text),
        sa.Column("degraded", sa.Boolean, nullable=False),
        sa.Column("parent_execution_id", sa.Text),
        sa.Column("flow_run_id", sa.Text),
        sa.Column("run_name", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("code_version", sa.Text),
        sa.Column("versions", _JSON, nullable=False),
        sa.Column("input_digests", _JSON, nullable=False),
        sa.Column("output_digests", _JSON, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("process_started", sa.Double, nullable=False),
        sa.Column("heartbeat_at", _MOMENT, nullable=False),
    )
    for column in ("started_at", "status", "run_name", "flow_run_id"):
        op.create_index(f"ix_pipeline_executions_{column}", "pipeline_executions", [column])
    op.create_table(
        "pipeline_metrics",
        sa.Column("metric_id", sa.Text, primary_key=True),
        sa.Column(
            "execution_id",
            sa.Text,
            sa.ForeignKey("pipeline_executions.execution_id"),
            nullable=False,
        ),
        sa.Column("step_name", sa.Text, nullable=False),
        sa.Column("metric_type", sa.Text, nullable=False),
        sa.Column("metric_name", sa.Text, nullable=False),
        sa.Column("metric_value", sa.Double, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
    )
    op.create_index("ix_pipeline_metrics_execution_id", "pipeline_metrics", ["execution_id"])


def _make_predictions() -> None:
    op.create_table(
        "prediction_models",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("params_digest", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("columns", _JSON, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("model", "action", "params_digest", "model_version"),
    )
    op.create_table(
        "predictions",
        sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", _DIGEST, primary_key=True),
        sa.Column("values", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "prediction_files",
        sa.Column("model_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", _DIGEST, primary_key=True),
        sa.Column("column", sa.Text, primary_key=True),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
