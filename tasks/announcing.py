"""Artifacts of a run in the Prefect UI; outside of a run nothing is shown."""

import pandas as pd
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext

SHOWN_ROWS = 100


def announce_text(key: str, title: str, text: str) -> None:
    """Show preformatted text."""
    if FlowRunContext.get() is not None:
        create_markdown_artifact(f"```\n{text}\n```", key=key, description=title)


def announce_table(key: str, title: str, frame: pd.DataFrame) -> None:
    """Show the first rows of a table."""
    if FlowRunContext.get() is not None:
        head = frame.head(SHOWN_ROWS)
        rows = head.astype(object).where(head.notna(), None).to_dict("records")
        cells = [{str(name): cell for name, cell in row.items()} for row in rows]
        create_table_artifact(cells, key=key, description=title)


def announce_link(key: str, title: str, uri: str) -> None:
    """Show where the page lies."""
    if FlowRunContext.get() is not None:
        link = uri if "://" in uri else f"file://{uri}"
        create_link_artifact(link, link_text=title, key=key, description=f"{title}: {uri}")
