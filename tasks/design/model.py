"""Parameters of a design run; the form in the Prefect UI is made from these."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tasks.design.clustering import ClusterParams
from tasks.design.diversity import DiversityParams
from tasks.design.filters import FilterParams
from tasks.design.generators import GeneratorParams
from tasks.design.predictors import PredictorParams
from tasks.design.ranking import RankParams
from tasks.parameters import Params
from tasks.sequences import Alphabet, Format

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

    @property
    def given(self) -> bool:
        """Whether there is any input."""
        return bool(self.source or self.sequences)


class Parent(Params):
    """The sequence that is redesigned: one of the input's by its id, or a literal one."""

    id: str = Field("", title="Id in the input", description="of the sequence to redesign")
    sequence: str = Field("", title="Sequence", description="instead of an id; one-letter codes")


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
    with_: GeneratorParams = Field(alias="with", title="Generator")


class PredictStage(Stage):
    """Columns from a model."""

    uses: Literal["predict"] = "predict"
    with_: PredictorParams = Field(alias="with", title="Model")
    chain: str = Field(
        "sequence", title="Chain", description="column with the sequences to predict", min_length=1
    )


class FilterStage(Stage):
    """Drop what does not fulfil a rule."""

    uses: Literal["filter"] = "filter"
    with_: FilterParams = Field(alias="with", title="Rule")


class ClusterStage(Stage):
    """Groups of similar items."""

    uses: Literal["cluster"] = "cluster"
    with_: ClusterParams = Field(alias="with", title="Method")
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

    input: SequenceInput = Field(SequenceInput(), title="Input")
    parent: Parent = Field(Parent(), title="Parent")
    stages: tuple[StageParams, ...] = Field(
        title="Stages", description="each names what it needs; independent ones run in parallel"
    )
    seed: int = Field(1, title="Seed", description="same seed, same designs", ge=0, lt=2**63)
    top: int = Field(
        50, title="Top designs", description="designs shown on the page", ge=1, le=1_000
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
