"""A graph in Mermaid's language, which the Prefect UI and many others draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLOURS = {
    "COMPLETED": "#cde9dd", "CACHED": "#cfe3f3", "RUNNING": "#fff1cc", "FAILED": "#fbd5c3",
    "SKIPPED": "#e6e9ec", "CANCELLED": "#e6e9ec", "PENDING": "#ffffff",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChartNode:
    """A node of the chart."""

    name: str
    below: str
    """What stands below its name."""
    parents: Sequence[str]
    """Empty: it hangs on the start."""
    label: str = ""
    """On the arrows that lead to it."""
    stand_in: str = ""
    """What takes its place where it fails."""


def flow_chart(nodes: Sequence[ChartNode], start: str, told: Mapping[str, str]) -> str:
    """The graph as a flow chart.

    Args:
        nodes: Each behind its parents.
        start: What the first box is called.
        told: Node -> state and, behind a blank, what else stands below its name.
    """
    ids = {one.name: f"n{place}" for place, one in enumerate(nodes)}
    lines = ["flowchart TD", f'  start(["{_quoted(start)}"])']
    for one in nodes:
        below = told.get(one.name) or one.below
        lines.append(
            f'  {ids[one.name]}["{_quoted(one.name)}<br/><small>{_quoted(below)}</small>"]'
        )
    for one in nodes:
        label = f"|{_quoted(one.label)}|" if one.label else ""
        above = [ids[parent] for parent in one.parents] or ["start"]
        lines += [f"  {parent} -->{label} {ids[one.name]}" for parent in above]
        if one.stand_in:
            lines.append(f'  {ids[one.name]}f["{_quoted(one.stand_in)}"]')
            lines.append(f"  {ids[one.name]} -.->|fails| {ids[one.name]}f")
    for state, colour in COLOURS.items():
        members = [ids[name] for name, text in told.items() if text.split(" ")[0] == state]
        if members:
            lines.append(f"  classDef {state.lower()} fill:{colour},color:#1b1f23")
            lines.append(f"  class {','.join(members)} {state.lower()}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Text within quotes, as Mermaid takes it."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace('"', "&quot;").replace("|", "&#124;").replace("\n", " ")
