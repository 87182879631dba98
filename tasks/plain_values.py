"""Parameters that Prefect takes as they are.

A mapping with the key `__prefect_kind` is not passed on by Prefect's server: it is replaced by a
variable, a rendered text or parsed JSON. Whoever hands on what others sent must refuse it.
"""

from collections.abc import Mapping

from blocks.errors import InputError

HYDRATED = "__prefect_kind"
DEEPEST = 50
"""Levels of lists and mappings that parameters may have."""


def refuse_hydrated(value: object, where: str) -> None:
    """Let nothing through that Prefect would replace by a variable, a block or a rendered text.

    Raises:
        InputError: It is there, however deep, or it lies too deep to be looked at.
    """
    _refuse(value, where, DEEPEST)


def _refuse(value: object, where: str, depth: int) -> None:
    if depth == 0:
        raise InputError(f"{where}: nested more than {DEEPEST} deep; expected parameters")
    if isinstance(value, Mapping):
        for key, one in value.items():
            if str(key) == HYDRATED:
                raise InputError(f"{where}.{key}: not allowed; expected plain values")
            _refuse(one, f"{where}.{key}", depth - 1)
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            _refuse(one, f"{where}[{number}]", depth - 1)
