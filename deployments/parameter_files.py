"""Parameter files, YAML or JSON: names and values out, or one line that says what is wrong."""

import sys
from pathlib import Path
from typing import Any

from blocks.errors import InputError
from tasks.yaml_text import EXPECTED, read_yaml

MAX_BYTES = 10_000_000
"""Larger files are no parameters; sequences have files of their own."""


def read_parameters(path: Path, *, whole: bool = False) -> dict[str, Any]:
    """What stands in a file, or on standard input for `-`; the content of `params` if that is all.

    Args:
        whole: `params` is a name like any other.

    Raises:
        InputError: It is not there, not text, not YAML, names something twice, or holds no names.
    """
    name = "standard input" if str(path) == "-" else str(path)
    content = read_yaml(_text(path, name), name)
    if isinstance(content, dict) and set(content) == {"params"} and not whole:
        content = content["params"]  # as in a deployment
    if not isinstance(content, dict):  # `{}` is an answer: all as by default
        shown = {type(None): "nothing in it", list: "a list"}.get(type(content), "a single value")
        raise InputError(f"{name}: {shown}; expected names and values, such as `seed: 1`")
    return content


def _text(path: Path, name: str) -> str:
    try:
        if str(path) == "-" and sys.stdin is None:
            raise InputError("standard input: is closed; expected YAML or JSON")
        content = sys.stdin.buffer.read(MAX_BYTES + 1) if str(path) == "-" else _bytes(path)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; expected {EXPECTED}") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder; expected a file, {EXPECTED}") from None
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        byte = f"byte {content[error.start]:#04x} is not UTF-8"
        raise InputError(f"{name}, line {line}: {byte}; expected {EXPECTED} in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read ({reason}); expected {EXPECTED}") from None
    if len(content) > MAX_BYTES:
        raise InputError(f"{name}: more than {MAX_BYTES:,} bytes; expected parameters only")
    return text


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
