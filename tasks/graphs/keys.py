"""Names of kept answers: step and code, settings, model, seed, and the item with its types."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from pydantic import JsonValue

from blocks.errors import InputError
from tasks.fingerprint import source_digest
from tasks.graphs.compiled import Ready
from tasks.graphs.models import Models


def canonical(value: object) -> bytes:
    """JSON in one form only; numbers keep their types.

    >>> [canonical(one) for one in (1, True, 1.0)]
    [b'1', b'true', b'1.0']
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def node_key(one: Ready, models: Models, seed: int) -> bytes:
    """What all answers of a node depend on besides the item.

    Raises:
        InputError: It calls a function whose changes nobody would see.
    """
    connection = one.step.connection(one.node.with_)
    identity = models.identity(connection) if connection else ""
    code = function_text(one.function) if one.function else source_digest(one.step.modules)
    inner = [
        [node_key(node, models, seed).hex(), node.node.when, node.parents]
        for node in (one.body.nodes if one.body else ())
    ]
    settings = one.node.with_.model_dump(mode="json")
    parts = [one.step.name, one.step.version, code, settings, identity, seed, inner, one.node.join]
    return hashlib.sha256(canonical(parts)).digest()


def item_keys(base: bytes, items: Iterable[JsonValue]) -> list[str]:
    """The name of the answer for each item."""
    return [hashlib.sha256(base + canonical(item)).hexdigest() for item in items]


def function_text(function: Callable[..., Any]) -> str:
    """Source of a function, with the values that it took from around it.

    Raises:
        InputError: Those values are no JSON, or there is no source: nothing says when it changed.
    """
    name = getattr(function, "__name__", type(function).__name__)
    plain = inspect.unwrap(function)
    try:
        around = inspect.getclosurevars(plain).nonlocals
        return inspect.getsource(plain) + canonical(around).decode()
    except (OSError, TypeError, orjson.JSONEncodeError) as error:
        raise InputError(
            f"function {name!r}: its answers cannot be kept ({error}); expected a plain function"
            " in a file, or `cache: {enabled: false}`"
        ) from error
