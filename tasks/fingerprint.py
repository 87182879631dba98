"""What a stored result depends on: content of the inputs and text of the code, as one digest."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel


def content(value: object) -> object:
    """What of an argument decides the result, as JSON: records may leave out how they came about.

    A record with a method `identity` speaks for itself; all others are taken field by field.
    """
    identity = getattr(value, "identity", None)
    if callable(identity):
        return content(identity())
    if isinstance(value, BaseModel):
        return {name: content(item) for name, item in value}
    if isinstance(value, Mapping):
        return {str(key): content(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [content(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__}: not a value that a cached task can take")


def source_digest(modules: tuple[str, ...]) -> str:
    """Digest of the text of `modules`; changes when the code that computes a result does."""
    texts = [inspect.getsource(import_module(module)) for module in modules]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def cache_key(
    function: Callable[..., Any], modules: tuple[str, ...], inputs: Mapping[str, Any]
) -> str:
    """Name of a task's stored result: the task, its own text, the code it uses, its inputs."""
    body = inspect.unwrap(function)
    parts = [
        f"{body.__module__}.{body.__qualname__}",
        inspect.getsource(body),
        source_digest(modules),
        json.dumps(content(dict(inputs)), sort_keys=True),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
