"""Artifacts of a run in the Prefect UI; outside of a run nothing is shown."""

import numpy as np
import pandas as pd
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext

SHOWN_ROWS = 100


def announce_text(key: str, title: str, text: str) -> None:
    """Show preformatted text."""
    if FlowRunContext.get() is not None:
        create_markdown_artifact(f"```\n{text}\n```", key=key, description=title)


def announce_markdown(key: str, title: str, text: str) -> None:
    """Show Markdown."""
    if FlowRunContext.get() is not None:
        create_markdown_artifact(text, key=key, description=title)


def announce_mermaid(key: str, title: str, diagram: str) -> None:
    """Show a diagram in Mermaid's language."""
    if FlowRunContext.get() is not None:
        create_markdown_artifact(f"```mermaid\n{diagram}\n```", key=key, description=title)


def announce_table(key: str, title: str, frame: pd.DataFrame) -> None:
    """Show the first rows of a table."""
    if FlowRunContext.get() is not None:
        head = frame.head(SHOWN_ROWS)
        cells = [
            {str(name): _cell(cell) for name, cell in row.items()}
            for row in head.to_dict("records")
        ]
        create_table_artifact(cells, key=key, description=title)


def _cell(value: object) -> str | int | float | bool | None:
    """What JSON takes; vectors are only named, whatever else there is becomes text."""
    if hasattr(value, "__len__") and not isinstance(value, str):
        return f"{type(value).__name__} of {len(value)}"
    if value is None or value is pd.NA or value != value:  # NaN is not itself  # noqa: PLR0124
        return None
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float | bool) else str(value)


def announce_link(key: str, title: str, uri: str) -> None:
    """Show where the page lies."""
    if FlowRunContext.get() is not None:
        link = uri if "://" in uri else f"file://{uri}"
        create_link_artifact(link, link_text=title, key=key, description=f"{title}: {uri}")
