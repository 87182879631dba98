"""A graph in Mermaid's language and as a drawing."""

from tasks.graphs.builder import graph, node
from tasks.graphs.mermaid import mermaid
from tasks.report.graph_drawing import Box, drawn


def same(value):
    return value


def diamond():
    return graph(
        node("a", same)
        >> [node("b", same, when="value > 1"), node("c", same)]
        >> node("d", same, on_error="fallback", fallback="spare"),
        node("spare", same),
        outputs=["d"],
    ).compiled


def test_mermaid_has_all_nodes_lines_conditions_and_states():
    text = mermaid(diamond(), {"a": "COMPLETED 3 items", "b": "FAILED <b>"})

    for line in (
        'n0["a<br/><small>COMPLETED 3 items</small>"]',
        'n1["b<br/><small>FAILED &lt;b&gt;</small>"]',
        "start --> n0",
        "n0 -->|value &gt; 1| n1",
        "n1 --> n3",
        "n2 --> n3",
        "n3 -.->|fails| n3f",
        "class n1 failed",
    ):
        assert f"  {line}\n" in text + "\n"


def test_the_drawing_has_a_box_for_each_node_and_a_line_for_each_need():
    built = diamond()
    boxes = {
        one.name: Box("COMPLETED", "1 → 1", "completed", f"<{one.name}>", one.name)
        for one in built.nodes
    }
    picture = drawn(built.needs, boxes)

    assert picture.count("<rect") == 4
    assert picture.count("<path") == 4
    assert "&lt;a&gt;" in picture
    assert 'href="#node-d"' in picture
