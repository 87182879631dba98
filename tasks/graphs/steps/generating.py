"""Ask a language model about each item: any prompt, with an answer as text or of a given form."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from blocks.errors import InputError
from blocks.llm_calls import Answer, Prompt
from blocks.llm_shapes import FieldKind, Shape
from tasks.graphs.step import Fields, Item, step
from tasks.graphs.steps.asking import Ask, AskParams
from tasks.graphs.text.templates import Template
from tasks.parameters import Params

_KINDS: Mapping[str, str] = {
    "text": "str",
    "integer": "int",
    "number": "float",
    "yes_no": "bool",
    "texts": "list[str]",
    "numbers": "list[float]",
}
_TYPES: Mapping[str, Any] = {
    "text": str,
    "integer": int,
    "number": float,
    "yes_no": bool,
    "texts": list[str],
    "numbers": list[float],
}


class AnswerField(Params):
    """A field that the answer must have."""

    name: str = Field(title="Name", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")
    kind: Literal["text", "integer", "number", "yes_no", "texts", "numbers"] = Field(
        "text", title="Kind"
    )
    choices: tuple[str, ...] = Field((), title="Choices", description="texts that it may be")

    @model_validator(mode="after")
    def _only_texts_are_chosen(self) -> Self:
        if self.choices and self.kind != "text":
            raise ValueError(f"choices with `kind: {self.kind}`; expected text")
        return self

    @property
    def wanted(self) -> FieldKind:
        """The field as a shape has it."""
        return list(self.choices) or _KINDS[self.kind]


class GenerateParams(AskParams):
    """What is asked."""

    prompt: str = Field(
        title="Prompt",
        description="a Jinja template; {{ text }} is the field text, {{ item }} the whole item",
        min_length=1,
    )
    system: str = Field("", title="System prompt", description="a template as well")
    fields: tuple[AnswerField, ...] = Field(
        (), title="Fields", description="of a structured answer; they are put into the item itself"
    )
    json_schema: dict[str, JsonValue] = Field(
        {}, title="JSON schema", description="of a structured answer of any form, instead of fields"
    )
    stop: tuple[str, ...] = Field((), title="Stop at", max_length=4)

    @field_validator("prompt", "system")
    @classmethod
    def _is_a_template(cls, text: str) -> str:
        try:
            Template(text)
        except InputError as error:
            raise ValueError(str(error)) from None
        return text

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.fields and self.json_schema:
            raise ValueError("both fields and a JSON schema; expected one of them")
        names = [one.name for one in self.fields]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"field {twice!r} is there twice; expected each once")
        try:
            self.shape()
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def shape(self) -> Shape | None:
        """The form of the answer; None: text."""
        if self.fields:
            return Shape.of_fields("answer", {one.name: one.wanted for one in self.fields})
        return Shape.of_schema("answer", self.json_schema) if self.json_schema else None


class _Generate(Ask):
    name = "generate"

    def __init__(self, params: GenerateParams) -> None:
        super().__init__(params)
        self._params = params
        self._templates = Template(params.prompt), Template(params.system)
        self._shape = params.shape()

    def filled(self, item: Item, seed: int) -> Prompt:
        params, (text, system) = self._params, (one.filled(item) for one in self._templates)
        limits = (params.max_tokens, params.temperature, seed, params.stop)
        return Prompt(text, system, *limits, self._shape)

    def said(self, answer: Answer) -> Item:
        if self._params.fields and isinstance(answer.value, dict):
            return answer.value
        return super().said(answer) if self._shape is None else {self._params.into: answer.value}


def _reads(params: GenerateParams) -> Fields:
    fields = Template(params.prompt).fields | Template(params.system).fields
    return dict.fromkeys(sorted(fields), object)


def _writes(params: GenerateParams) -> Fields:
    said: dict[str, Any] = {params.into: object if params.json_schema else str}
    if params.fields:
        said = {one.name: _TYPES[one.kind] for one in params.fields}
    return said | params.marks()


GENERATE = step(
    "generate",
    GenerateParams,
    reads=_reads,
    writes=_writes,
    connection=lambda params: params.connection,
    needs_model=True,
    modules=("tasks.graphs.text.templates", "tasks.graphs.steps.asking"),
    summary="Ask a language model with any prompt: a text, fields, or JSON of a schema comes back.",
)(_Generate)
