"""A configuration to begin with, and what each step takes."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from blocks.errors import InputError
from tasks.parameters import Params
from tasks.reads.aliases import action_called
from tasks.reads.catalogue import STEPS
from tasks.reads.input_options import InputOptions
from tasks.reads.output_options import Benchmark, OutputOptions, RunOptions
from tasks.reads.presets import PRESETS
from tasks.reads.sections import fields_of, nearest
from tasks.reads.step import StepParams

BEGIN = """\
# What is read: one or more segments, each a file or a list of files (lanes).
[input]
read1 = ["sample_R1.fastq.gz"]
# read2 = ["sample_R2.fastq.gz"]
# interleaved = ["read1", "read2"]  # with exactly one key above, whatever its name
"""
STEPS_FOLLOW = """\
# What is done, in this order. `seqloom reads list-steps` names all steps, and
# `seqloom reads template CutStart` shows what one takes.
[[step]]
action = "Head"
n = 1000
"""


def template(action: str | None = None) -> str:
    """A whole configuration as TOML, one step of it, or a preset.

    Raises:
        InputError: There is no such step.
    """
    if action is None:
        return "\n".join(_whole())
    if action in PRESETS:
        return PRESETS[action]
    found = action_called(action, list(STEPS))
    if found is None:
        public = sorted(one for one in STEPS if not one.startswith("_"))
        raise InputError(f"step {action!r}: not known; expected {nearest(action, public)}")
    return "\n".join(_step(STEPS[found]))


def step_lines() -> Iterator[str]:
    """Each step with what it does, by name."""
    width = max(map(len, STEPS), default=0)
    for action in sorted(STEPS):
        if not action.startswith("_"):
            yield f"{action:<{width}}  {_first_line(STEPS[action])}"


def _whole() -> Iterator[str]:
    yield BEGIN
    yield from _section("[input.options]", InputOptions)
    yield STEPS_FOLLOW
    yield from _section("[output]", OutputOptions, prefix='"output"')
    yield from _section("[options]", RunOptions)
    yield from _section("[benchmark]", Benchmark, molecule_count="1000000")


def _section(header: str, model: type[Params], **shown: str) -> Iterator[str]:
    yield header
    for name, field in fields_of(model).items():
        yield _line(name, field, shown.get(name))
    yield ""


def _step(model: type[StepParams]) -> Iterator[str]:
    yield f"# {_first_line(model)}"
    yield "[[step]]"
    yield f'action = "{model.model_fields["action"].default}"'
    for name, field in fields_of(model).items():
        if name != "action":
            yield _line(name, field, None)


def _line(name: str, field: FieldInfo, shown: str | None) -> str:
    """One setting: as a comment where it need not be set."""
    needed = field.is_required()
    value = shown or (f"<{_type_name(field.annotation)}>" if needed else _written(field))
    told = f"  # {field.description}" if field.description else ""
    return f"{'' if shown else '# '}{name} = {value}{told}{' (needed)' if needed else ''}"


def _written(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=False)
    match default:
        case None:
            return f"<{_type_name(field.annotation)}>"
        case bool():
            return str(default).lower()
        case str():
            return f'"{default}"'
        case int() | float():
            return str(default)
        case tuple() | list():
            return str(list(default))
        case _ if default is PydanticUndefined:
            return f"<{_type_name(field.annotation)}>"
    return "{ ... }"


def _type_name(annotation: Any) -> str:  # noqa: ANN401 -- types of any kind
    members = [one for one in get_args(annotation) if one is not type(None)]
    origin = get_origin(annotation)
    if str(origin).endswith("Literal"):
        return " | ".join(map(str, get_args(annotation)))
    if origin in (list, tuple):
        return f"list of {_type_name(members[0])}"
    if members:
        return " | ".join(dict.fromkeys(_type_name(one) for one in members))
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true | false"}.get(
        getattr(annotation, "__name__", ""), "value"
    )


def _first_line(model: type[StepParams]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]
