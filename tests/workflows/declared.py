"""Small workflows and the pipelines that their steps name, for tests without Prefect."""

from typing import Any

from blocks.errors import InputError
from tasks.parameters import Params, Record
from tasks.workflows.checking import Check, Known
from tasks.workflows.model import Declaration


class MakeParams(Params):
    """Parameters of a pipeline that makes something."""

    source: str = ""
    number: int = 1
    names: tuple[str, ...] = ()


class MakeResult(Record):
    """What it returns."""

    folder: str = ""
    items: int = 0
    names: tuple[str, ...] = ()


MAKE = Known(MakeParams, MakeResult, {"rows": "rows.csv"}, ("make/usual",))


def known_of(name: str) -> Known:
    if name != "make":
        raise InputError(f"pipeline {name!r}: not known; expected one of make")
    return MAKE


def declaration(*steps: dict[str, Any], **others: Any) -> Declaration:
    given = [{"pipeline": "make", **step} for step in steps]
    return Declaration.model_validate({"steps": given, **others})


def problems_of(*steps: dict[str, Any], **others: Any) -> list[str]:
    return [str(one) for one in Check(declaration(*steps, **others), known_of).problems]
