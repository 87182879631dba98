"""What every parameter model and every record between stages has in common."""

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Parameters: frozen, and refusing what they do not know, so that a typo is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)


class Record(BaseModel):
    """A small result that travels between stages as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")
