"""A graph in Mermaid's language, which the Prefect UI and many others draw."""

from collections.abc import Mapping

from tasks.graphs.compiled import INPUT, Graph

COLOURS = {
    "COMPLETED": "#cde9dd", "CACHED": "#cfe3f3", "RUNNING": "#fff1cc", "FAILED": "#fbd5c3",
    "SKIPPED": "#e6e9ec", "CANCELLED": "#e6e9ec", "PENDING": "#ffffff",
}  # fmt: skip


def mermaid(graph: Graph, told: Mapping[str, str] | None = None) -> str:
    """The graph as a flow chart.

    Args:
        told: Node -> state and, behind a blank, what else stands below its name.
    """
    told = told or {}
    ids = {one.name: f"n{place}" for place, one in enumerate(graph.nodes)}
    lines = ["flowchart TD", f'  start(["{INPUT}"])']
    for one in graph.nodes:
        below = told.get(one.name) or one.node.uses
        lines.append(
            f'  {ids[one.name]}["{_quoted(one.name)}<br/><small>{_quoted(below)}</small>"]'
        )
    for one in graph.nodes:
        label = f"|{_quoted(one.node.when)}|" if one.node.when else ""
        above = [ids[parent] for parent in one.parents] or ["start"]
        lines += [f"  {parent} -->{label} {ids[one.name]}" for parent in above]
        if one.stand_in is not None:
            lines.append(f'  {ids[one.name]}f["{_quoted(one.stand_in.name)}"]')
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
