"""A graph in Mermaid's language."""

from collections.abc import Mapping

from tasks.graphs.compiled import INPUT, Graph
from tasks.report.flow_chart import ChartNode, flow_chart


def mermaid(graph: Graph, told: Mapping[str, str] | None = None) -> str:
    """The graph as a flow chart.

    Args:
        told: Node -> state and, behind a blank, what else stands below its name.
    """
    nodes = [
        ChartNode(
            one.name, one.node.uses, one.parents, one.node.when or "",
            one.stand_in.name if one.stand_in is not None else "",
        )
        for one in graph.nodes
    ]  # fmt: skip
    return flow_chart(nodes, INPUT, told or {})
