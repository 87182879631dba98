"""Small graphs over functions that note their calls, run without Prefect."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.graphs.model import GraphParams
from tasks.graphs.planning import prepare
from tasks.graphs.running import Ended, execute

calls: dict[str, list] = {"one": [], "two": []}


def one(item: dict[str, Any]) -> dict[str, Any]:
    calls["one"].append(item["id"])
    if item.get("bad"):
        raise ValueError(f"cannot do {item['id']}")
    return {**item, "one": item["id"] + 1}


def two(item: dict[str, Any]) -> dict[str, Any]:
    calls["two"].append(item["id"])
    return {**item, "two": item["one"] * 2}


def python(name: str, function: str, *needs: str, **others: object) -> dict[str, Any]:
    settings = {"function": function}
    return {"name": name, "uses": "python", "needs": needs, "with": settings, **others}


PAIR = (python("first", "one"), python("second", "two", "first"))


def lines(path: Path, items: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def numbered(count: int, *bad: int) -> list[dict[str, Any]]:
    return [{"id": n, "bad": True} if n in bad else {"id": n} for n in range(count)]


def params(source: Path, nodes: Iterable[Mapping[str, Any]] = PAIR, **others: Any) -> GraphParams:
    given = {"input": {"source": str(source)}, "nodes": list(nodes), "chunk": 4}
    return GraphParams.model_validate(given | others)


def run(given: GraphParams, place: Path, **others: Any) -> Ended:
    """Run into a folder of its own."""
    place.mkdir(parents=True, exist_ok=True)
    folder = place / f"run-{len(list(place.iterdir()))}"
    folder.mkdir()
    return execute(prepare(given), folder, **others)


def output(ended: Ended, node: str = "second") -> list[dict[str, Any]]:
    text = (ended.folder / f"{node}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]
