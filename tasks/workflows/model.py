"""What a workflow is, as people declare it; the form in the Prefect UI is made from this.

    name: example
    inputs: {samples: "", protein: deployments/example/domains/proteins.fasta}
    conditions:
      given: samples != ""                     # an input
      deep: "`counts.molecules_in` >= 10000"   # what a step returned
    decisions:
      - {name: preset, rows: [{when: [deep], choose: fastp-strict}], otherwise: fastp}
    steps:
      - {name: library, pipeline: variants-simulate, when: [not given], params: {…}}
      - name: counts
        pipeline: reads
        params: {input: {samplesheet: "${inputs.samples | library.tables.samples}"}}
    compensations:
      - {name: withdraw, pipeline: …, params: {folder: "${counts.folder}"}}

A step begins when those that it needs have ended: those in `needs`, and those that its references,
conditions and decisions speak of.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from tasks.parameters import Params

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Scalar = str | int | float | bool | None
NOT = "not "


class Call(Params):
    """A pipeline and its parameters."""

    name: Name = Field(title="Name", description="lower case; others refer to it")
    pipeline: str = Field(title="Pipeline", description="as `seqloom pipelines` lists it")
    params: dict[str, JsonValue] = Field(
        {},
        title="Parameters",
        description="as the pipeline's own form takes them; ${step.folder}, ${step.tables.name},"
        " ${inputs.name}, ${decisions.name} stand for values, ${a | b} for the first there is",
    )


class Step(Call):
    """A run of a pipeline, as part of a workflow."""

    needs: tuple[Name, ...] = Field(
        (), title="Needs", description="steps that must be done before, besides those referred to"
    )
    when: tuple[str, ...] = Field(
        (), title="When", description="conditions that must all hold; `not name` turns one round"
    )
    on_error: Literal["fail", "continue"] = Field(
        "fail", title="On error", description="continue: the others go on without its results"
    )
    undo: str = Field(
        "", title="Undo", description="compensation that is run if a later step fails"
    )
    where: Literal["here", "deployment"] = Field(
        "here", title="Where", description="in the workflow's process, or on a work pool"
    )
    deployment: str = Field("", title="Deployment", description="empty: the pipeline's usual one")
    retries: int = Field(0, ge=0, le=10, title="Retries", description="of a run that failed")
    retry_delay_s: float = Field(
        30, ge=0, le=86_400, title="Delay", description="before the first one, then doubled [s]"
    )
    time_limit_s: float | None = Field(
        None, gt=0, title="Time limit", description="for each try, with where: deployment [s]"
    )
    fallback: bool = Field(
        True, title="Fallback", description="what the registry names, where all tries fail"
    )

    @model_validator(mode="after")
    def _can_be_ended(self) -> Self:
        if self.time_limit_s is not None and self.where == "here":
            raise ValueError("time_limit_s: with where: here; expected where: deployment")
        return self


class Row(Params):
    """A row of a decision table."""

    when: tuple[str, ...] = Field(
        title="When", description="conditions that must all hold", min_length=1
    )
    choose: Scalar = Field(title="Choose", description="the decision's value then")


class Decision(Params):
    """A decision table: the first row that holds decides."""

    name: Name = Field(title="Name", description="for ${decisions.name}, and in conditions")
    rows: tuple[Row, ...] = Field(title="Rows", description="looked at in order", min_length=1)
    otherwise: Scalar = Field(title="Otherwise", description="where no row holds")


class Declaration(Params):
    """A workflow."""

    name: str = Field(
        "workflow", title="Name", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="of the workflow"
    )
    description: str = Field("", title="Description", description="what it is for")
    inputs: dict[Name, JsonValue] = Field(
        {}, title="Inputs", description="by name; the values here are those that are used"
    )
    conditions: dict[Name, str] = Field(
        {},
        title="Conditions",
        description="by name: a comparison of inputs, `input.rows`, `step.result`, decisions",
    )
    decisions: tuple[Decision, ...] = Field(
        (), title="Decisions", description="tables of conditions"
    )
    steps: tuple[Step, ...] = Field((), title="Steps", description="in any order")
    compensations: tuple[Call, ...] = Field(
        (), title="Compensations", description="what undoes a step; named in its `undo`"
    )


class WorkflowParams(Declaration):
    """A run of a workflow: declared here, or in a file."""

    workflow: str = Field(
        "",
        title="File",
        description="YAML with the declaration, instead of one here; `inputs` stand in for its own",
    )
    dry_run: bool = Field(False, title="Dry run", description="only say what is to be done")
    refresh: bool = Field(
        False, title="Refresh", description="run all steps, whatever has been finished before"
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        declared = self.conditions or self.decisions or self.steps or self.compensations
        if self.workflow and declared:
            raise ValueError("workflow: a file, and a declaration here; expected one of them")
        if not self.workflow and not self.steps:
            raise ValueError("steps: none, and no file; expected at least one")
        return self
