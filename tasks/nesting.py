"""How deep lists and objects of JSON stand in each other."""

DEEPEST = 100
"""Levels of an item; what joins put around it has room within the 254 of the writer."""


def nested_deeper(value: object, levels: int = DEEPEST) -> bool:
    """Whether lists and objects stand in each other more than so many levels deep."""
    inner = inner_values(value)
    if inner is None:
        return False
    return levels == 0 or any(nested_deeper(one, levels - 1) for one in inner)


def inner_values(value: object) -> list[object] | None:
    """What a list or an object holds; None of anything else."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else None
