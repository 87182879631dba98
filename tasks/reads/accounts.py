"""What stages have counted, on its way from one process to another: a file without code.

Numbers, texts, arrays, dictionaries and objects of these are taken apart into JSON and arrays; to
put them together again a fresh account of the same stage serves as the form.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

Arrays = list[np.ndarray[Any, Any]]


def keep(accounts: Sequence[Sequence[Any]], path: Path) -> None:
    """Write the accounts of all stages, for each those of all workers."""
    arrays: Arrays = []
    told = _apart(accounts, arrays)
    named = {f"a{number}": array for number, array in enumerate(arrays)}
    with path.open("wb") as file:
        np.savez(file, told=np.frombuffer(orjson.dumps(told), np.uint8), **named)  # type: ignore[arg-type]


def kept(path: Path, forms: Sequence[Any]) -> list[list[Any]]:
    """The accounts in a file.

    Args:
        forms: A fresh account of each stage, which is not changed.
    """
    with np.load(path, allow_pickle=False) as file:
        told = orjson.loads(file["told"].tobytes())
        arrays = [file[f"a{number}"] for number in range(len(file.files) - 1)]
    return [
        [_together(one, form, arrays) for one in each["list"]]
        for each, form in zip(told["list"], forms, strict=True)
    ]


def _apart(value: Any, arrays: Arrays) -> Any:  # noqa: ANN401 -- accounts of any kind
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.generic():
            return value.item()
        case bytes():
            return {"bytes": value.hex()}
        case np.ndarray():
            arrays.append(value)
            return {"array": len(arrays) - 1}
        case dict():
            pairs = value.items()
            return {"pairs": [[_apart(k, arrays), _apart(v, arrays)] for k, v in pairs]}
        case list() | tuple():
            return {"list": [_apart(one, arrays) for one in value]}
    return {"fields": {name: _apart(one, arrays) for name, one in _fields(value).items()}}


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 -- accounts of any kind
    if dataclasses.is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    return dict(vars(value))


def _together(told: Any, form: Any, arrays: Arrays) -> Any:  # noqa: ANN401 -- accounts of any kind
    if not isinstance(told, dict):
        return told
    ((kind, content),) = told.items()
    match kind:
        case "bytes":
            return bytes.fromhex(content)
        case "array":
            return arrays[content]
        case "list":
            return [_together(one, None, arrays) for one in content]
        case "pairs":
            return _dictionary(content, form, arrays)
    new = object.__new__(type(form))
    for name, one in content.items():
        object.__setattr__(new, name, _together(one, getattr(form, name), arrays))
    return new


def _dictionary(pairs: list[Any], form: Any, arrays: Arrays) -> Any:  # noqa: ANN401 -- as above
    """A dictionary of the form's kind; its values take the form of what is missing in it."""
    new = defaultdict(form.default_factory) if isinstance(form, defaultdict) else type(form)()
    for key, value in pairs:
        name = _together(key, None, arrays)
        inner = form.default_factory() if isinstance(form, defaultdict) and form.default_factory \
            else form.get(name)  # fmt: skip
        new[name] = _together(value, inner, arrays)
    return new
