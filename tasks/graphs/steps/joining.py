"""One item out of what several nodes made of it."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field, JsonValue

from blocks.errors import InputError
from tasks.graphs.step import Item, item_step
from tasks.parameters import Params

Conflict = Literal["fail", "first", "last"]


class MergeParams(Params):
    """How fields of several items become those of one."""

    conflict: Conflict = Field(
        "fail", title="Conflict", description="when two have a field with different values"
    )
    prefix: bool = Field(
        False, title="Prefix", description="name fields node_field, so that none can conflict"
    )


def merged(values: Iterable[tuple[str, JsonValue]], conflict: Conflict = "fail") -> Item:
    """The fields of all items together; a value that is no object stands under its node's name.

    >>> merged([("a", {"text": "x", "length": 1}), ("b", {"text": "x", "words": 1})])
    {'text': 'x', 'length': 1, 'words': 1}

    Raises:
        InputError: Two of them have a field with different values, and `conflict` is `fail`.
    """
    found: Item = {}
    origin: dict[str, str] = {}
    for node, value in values:
        fields = value if isinstance(value, Mapping) else {node: value}
        for name, content in fields.items():
            if name not in found:
                found[name], origin[name] = content, node
            elif _differs(found[name], content):
                if conflict == "fail":
                    what = f"field {name!r} differs between {origin[name]} and {node}"
                    raise InputError(f"{what}; expected `conflict: first` or `last`, or a prefix")
                if conflict == "last":
                    found[name], origin[name] = content, node
    return found


def _differs(one: JsonValue, other: JsonValue) -> bool:
    return type(one) is not type(other) or one != other


@item_step("merge", MergeParams)
def merge(item: Item, params: MergeParams) -> Item:
    """Join the fields of several nodes' items into one item."""
    named = [(node, value) for node, value in item.items() if isinstance(value, Mapping)]
    if len(named) < len(item):  # comes from one node alone
        return item
    if params.prefix:
        return {
            f"{node}_{name}": content for node, value in named for name, content in value.items()
        }
    return merged(item.items(), params.conflict)


MERGE = merge
