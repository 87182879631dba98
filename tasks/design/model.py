"""Parameters of a design run; the form in the Prefect UI is made from these."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tasks.design.budget import Budget
from tasks.design.cluster_params import ClusterParams
from tasks.design.diversity import DiversityParams
from tasks.design.filter_params import FilterParams
from tasks.design.generators import GeneratorParams
from tasks.design.predictors import PredictorParams
from tasks.design.ranking import RankParams
from tasks.parameters import Params, choices, one_form
from tasks.sequence_files import Format
from tasks.sequences import Alphabet

StageName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class SequenceInput(Params):
    """Existing sequences: a file, or a list."""

    source: str = Field(
        "",
        title="File",
        description="path or URI (s3://…) of FASTA, CSV, TSV or Parquet, gzip too",
    )
    sequences: tuple[str, ...] = Field(
        (), title="Sequences", description="instead of a file; at most 10,000", max_length=10_000
    )
    format: Format = Field("auto", title="Format", description="auto: told by the file's name")
    alphabet: Alphabet = Field("protein", title="Alphabet", description="letters that may occur")
    id_column: str = Field("id", title="Id column", description="of a table", min_length=1)
    sequence_column: str = Field(
        "sequence", title="Sequence column", description="of a table with one chain", min_length=1
    )
    chains: tuple[str, ...] = Field(
        (), title="Chain columns", description="of a table with several chains, e.g. heavy, light"
    )

    @model_validator(mode="after")
    def _file_or_list(self) -> Self:
        if self.source and self.sequences:
            raise ValueError("both source and sequences are given; expected one of them")
        if len(set(self.chains)) < len(self.chains):
            raise ValueError("chains name a column twice; expected each once")
        return self

    @property
    def given(self) -> bool:
        """Whether there is any input."""
        return bool(self.source or self.sequences)


class Parent(Params):
    """The sequence that is redesigned: one of the input's by its id, or a literal one."""

    id: str = Field("", title="Id in the input", description="of the sequence to redesign")
    sequence: str = Field(
        "", title="Sequence", description="instead of an id; one-letter codes", max_length=100_000
    )

    @model_validator(mode="after")
    def _id_or_sequence(self) -> Self:
        if self.id and self.sequence:
            raise ValueError("both id and sequence are given; expected one of them")
        return self


class Stage(Params):
    """What all stages have."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True
    )

    name: StageName = Field(title="Name", description="lower case; others refer to it in `needs`")
    needs: tuple[StageName, ...] = Field(
        (), title="Needs", description="stages whose results this one takes"
    )


class InputStage(Stage):
    """The input's sequences as they are."""

    uses: Literal["input"] = "input"

    @model_validator(mode="before")
    @classmethod
    def _without_settings(cls, given: object) -> object:
        """The form sends empty settings for every kind of stage."""
        if isinstance(given, dict) and given.get("with", True) in ({}, None):
            return {name: value for name, value in given.items() if name != "with"}
        return given


class ProfileParams(Params):
    """Where a profile comes from."""

    homologs: str = Field(
        "",
        title="Homologs",
        description="FASTA of homologs, aligned or not; empty: the run's input",
    )
    exclude_parent: bool = Field(
        False, title="Without the parent", description="leave the parent out of the profile"
    )


class ProfileStage(Stage):
    """A profile HMM of homologs, for generators and predictors that need one."""

    uses: Literal["profile"] = "profile"
    with_: ProfileParams = Field(ProfileParams(), alias="with", title="Settings")


class GenerateStage(Stage):
    """New sequences."""

    uses: Literal["generate"] = "generate"
    with_: GeneratorParams = Field(alias="with", title="Generator", json_schema_extra=choices)


class PredictStage(Stage):
    """Columns from a model."""

    uses: Literal["predict"] = "predict"
    with_: PredictorParams = Field(alias="with", title="Model", json_schema_extra=choices)
    chain: str = Field(
        "sequence", title="Chain", description="column with the sequences to predict", min_length=1
    )


class FilterStage(Stage):
    """Drop what does not fulfil a rule."""

    uses: Literal["filter"] = "filter"
    with_: FilterParams = Field(alias="with", title="Rule", json_schema_extra=choices)


class ClusterStage(Stage):
    """Groups of similar items."""

    uses: Literal["cluster"] = "cluster"
    with_: ClusterParams = Field(alias="with", title="Method", json_schema_extra=choices)
    vectors: str = Field(
        "embedding", title="Vectors", description="column of vectors, for methods on vectors"
    )
    representatives_only: bool = Field(
        False, title="Representatives only", description="drop all but one item of each cluster"
    )


class DiversityStage(Stage):
    """Figures of how different the items are."""

    uses: Literal["diversity"] = "diversity"
    with_: DiversityParams = Field(DiversityParams(), alias="with", title="Settings")


class RankStage(Stage):
    """An order of the items, by one weighted score or by several objectives."""

    uses: Literal["rank"] = "rank"
    with_: RankParams = Field(alias="with", title="Objectives")


StageParams = Annotated[
    InputStage
    | ProfileStage
    | GenerateStage
    | PredictStage
    | FilterStage
    | ClusterStage
    | DiversityStage
    | RankStage,
    Field(discriminator="uses"),
]


class DesignParams(Params):
    """A design run: what goes in, the stages, and how to run them."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema with all kinds of stages as one, which is what the form can draw."""
        schema = handler(core_schema)
        stages = handler.resolve_ref_schema(schema)["properties"]["stages"]
        members = [handler.resolve_ref_schema(one) for one in stages["items"]["oneOf"]]
        stages["items"] = one_form(members, "Stage", handler.resolve_ref_schema)
        return schema

    input: SequenceInput = Field(SequenceInput(), title="Input")
    parent: Parent = Field(Parent(), title="Parent")
    stages: tuple[StageParams, ...] = Field(
        title="Stages",
        description="each names what it needs; independent ones run in parallel",
    )
    seed: int = Field(1, title="Seed", description="same seed, same designs", ge=0, lt=2**63)
    top: int = Field(
        50, title="Top designs", description="designs shown on the page", ge=1, le=1_000
    )
    budget: Budget = Field(
        Budget(), title="Budget", description="most that may be asked of remote models"
    )
    dry_run: bool = Field(
        False, title="Dry run", description="only count what is stored and what is to compute"
    )
    stop_on_error: bool = Field(
        False, title="Stop on error", description="the first item that fails stops the run"
    )
    refresh: bool = Field(
        False, title="Refresh", description="run all stages anew, whatever is cached"
    )
