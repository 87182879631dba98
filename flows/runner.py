"""Run a registered pipeline by its name: parameters checked, retries, a time limit, a fallback.

The run that it starts, here or through a deployment, has its own record; this one holds how often
it was tried, what came of it, and whether another pipeline took its place.
"""

import time
from collections.abc import Mapping
from typing import Any, Literal, Self
from uuid import UUID

import orjson
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.states import Cancelling
from pydantic import BaseModel, Field, JsonValue, model_validator

from blocks.cancellation import (
    cancellation_of_run,
    given_up_by,
    run_is_cancelled,
    stop_if_cancelled,
)
from blocks.errors import InputError, SeqloomError
from flows.registry import PIPELINES, Pipeline
from flows.registry import pipeline as registered
from flows.starting import started
from tasks.parameters import Params, Record
from tasks.plain_values import refuse_hydrated
from tasks.policies import given_params, pipeline, run_logger
from tasks.wording import validated

POLL_S = 2.0
"""How often a run of a deployment is looked at."""


class RunParams(Params):
    """Which pipeline, with what, and how hard to try."""

    pipeline: str = Field(
        title="Pipeline",
        description="its name, as `seqloom pipelines` lists it",
        json_schema_extra={"enum": list(PIPELINES)},
    )
    params: dict[str, JsonValue] = Field(
        {}, title="Parameters", description="as the pipeline's own form takes them"
    )
    params_json: str = Field(
        "",
        title="Parameters as text",
        description="instead: JSON, for automations that put an event's content here",
        max_length=500_000,
    )
    where: Literal["here", "deployment", "submitted"] = Field(
        "here",
        title="Where",
        description="in this run's process; on the deployment's work pool; there, without waiting "
        "for its end (no retries, no fallback)",
    )
    deployment: str = Field("", title="Deployment", description="empty: the pipeline's usual one")
    key: str = Field(
        "",
        title="Key",
        description="with where: deployment or submitted; a second run with it starts nothing, and "
        "has the outcome of the first",
        max_length=200,
    )
    retries: int = Field(0, ge=0, le=10, title="Retries", description="of a run that failed")
    retry_delay_s: float = Field(
        30, ge=0, le=86_400, title="Delay", description="before the first one, then doubled [s]"
    )
    time_limit_s: float | None = Field(
        None, gt=0, title="Time limit", description="for each try; the run is cancelled then [s]"
    )
    fallback: bool = Field(
        True, title="Fallback", description="what the registry names, where all tries fail"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.time_limit_s is not None and self.where != "deployment":
            raise ValueError(
                f"time_limit_s: with where: {self.where}; expected where: deployment, whose runs "
                "can be ended"
            )
        if self.retries and self.where == "submitted":
            raise ValueError("retries: with where: submitted; expected 0, nobody waits for its end")
        if self.key and self.where == "here":
            raise ValueError(
                "key: with where: here; expected deployment or submitted, known to Prefect by key"
            )
        if self.params and self.params_json:
            raise ValueError("both params and params_json given; expected one of them")
        return self

    @property
    def content(self) -> dict[str, JsonValue]:
        """The parameters, however they were given.

        Raises:
            InputError: The text is not JSON, names nothing, or asks Prefect to replace something.
        """
        given: object = self.params
        if self.params_json:
            try:
                given = orjson.loads(self.params_json)
            except ValueError as error:
                raise InputError(f"params_json: not JSON ({error}); expected an object") from None
        if not isinstance(given, dict):
            raise InputError("params_json: no object; expected names and values")
        refuse_hydrated(given, "params")
        return given


class RunOutcome(Record):
    """What came of it."""

    pipeline: str
    """That gave the result."""
    tries: int
    degraded: str
    """What the result lacks, where a fallback gave it; else empty."""
    flow_run: str
    """Id of the run of the pipeline in Prefect, empty if it ran here."""
    result: dict[str, JsonValue]


def run_name() -> str:
    """Name of a run in the UI: which pipeline."""
    given = given_params()
    return f"run-{given.get('pipeline', 'pipeline')}"


def _told(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters as the ledger may keep them: those of the pipeline as its own run's."""
    given = parameters["params"]
    content = given.model_dump(mode="json") if isinstance(given, BaseModel) else dict(given)
    asked = PIPELINES.get(content.get("pipeline", ""))
    if asked is not None:
        content["params"] = asked.told({"params": content.get("params")})["params"]
    return {**parameters, "params": content}


@pipeline("run-pipeline", flow_run_name=run_name, told=_told)
def run_pipeline(params: RunParams) -> RunOutcome:
    """Run a pipeline of the registry.

    Raises:
        InputError: There is no such pipeline or deployment, or the parameters do not fit; nothing
            is tried then, and nothing is tried again where a pipeline says so itself.
        SeqloomError: All tries failed, and the fallback if there is one.
    """
    return outcome_of(params)


def outcome_of(params: RunParams) -> RunOutcome:
    """The same without a record of its own, for flows that run pipelines as their steps.

    Raises:
        InputError: As `run_pipeline`.
        SeqloomError: As `run_pipeline`.
    """
    asked = registered(params.pipeline)
    deployment = deployment_of(asked, params.deployment)
    checked = checked_params(asked, params.content)
    if params.where == "submitted":
        return _submitted(asked, checked, deployment, params.key)
    try:
        return _tried(asked, checked, params, deployment)
    except InputError:
        raise
    except Exception as error:
        if asked.fallback is None or not params.fallback or run_is_cancelled():
            raise
        run_logger().warning("%s failed (%s); the fallback takes its place", asked.name, error)
    other = registered(asked.fallback.pipeline)
    changed = checked_params(other, {**params.content, **dict(asked.fallback.changes)})
    again = params.model_copy(update={"key": f"{params.key}:fallback" if params.key else ""})
    found = _tried(other, changed, again, other.deployments[0])
    return found.model_copy(update={"degraded": asked.fallback.told})


def deployment_of(asked: Pipeline, name: str) -> str:
    """The deployment of that name, empty for the usual one.

    Raises:
        InputError: It is none of that pipeline.
    """
    if name and name not in asked.deployments:
        raise InputError(
            f"deployment {name!r}: not of {asked.name}; expected one of"
            f" {', '.join(asked.deployments)}"
        )
    return name or asked.deployments[0]


def checked_params(asked: Pipeline, content: dict[str, JsonValue]) -> BaseModel:
    """The parameters as the pipeline's model.

    Raises:
        InputProblems: They do not fit; each place is told.
    """
    return validated(asked.parameters, content, "params")


def _tried(asked: Pipeline, checked: BaseModel, params: RunParams, deployment: str) -> RunOutcome:
    """The outcome of the first try that does not fail."""
    delay = params.retry_delay_s
    tries = 0
    while True:
        tries += 1
        try:
            if params.where == "here":
                flow_run, result = "", _here(asked, checked)
            else:
                key = f"{params.key}:{asked.name}:{tries}" if params.key else None
                flow_run, result = _deployed(asked, checked, deployment, params.time_limit_s, key)
        except InputError:
            raise
        except Exception as error:
            if tries > params.retries or run_is_cancelled():
                raise
            run_logger().warning("try %d: %s; again in %g s", tries, error, delay)
            time.sleep(delay)
            delay *= 2
        else:
            return RunOutcome(
                pipeline=asked.name, tries=tries, degraded="", flow_run=flow_run, result=result
            )


def _submitted(asked: Pipeline, checked: BaseModel, deployment: str, key: str) -> RunOutcome:
    """A run that has been started; how it ends stands in its own record."""
    flow_run, name = started(
        deployment, _given(checked), key=f"{key}:{asked.name}" if key else None
    )
    run_logger().info("%s: run %s of %s is on its way", asked.name, name, deployment)
    return RunOutcome(pipeline=asked.name, tries=1, degraded="", flow_run=flow_run, result={})


def _given(checked: BaseModel) -> dict[str, JsonValue]:
    """Parameters of a flow, as its deployment takes them."""
    return {"params": checked.model_dump(mode="json", exclude_unset=True)}


def _here(asked: Pipeline, checked: BaseModel) -> dict[str, JsonValue]:
    """As a sub-flow; stages that are done are answered from the storage."""
    with given_up_by(cancellation_of_run()):
        result: Any = asked.flow(checked)
    content: dict[str, JsonValue] = result.model_dump(mode="json")
    return content


def _deployed(
    asked: Pipeline, checked: BaseModel, deployment: str, limit: float | None, key: str | None
) -> tuple[str, dict[str, JsonValue]]:
    """Id and result of a run of a deployment.

    Raises:
        SeqloomError: It did not complete, or not in time; then it is cancelled.
        asyncio.CancelledError: This run was cancelled, and with it the other one.
    """
    begun: FlowRun = run_deployment(  # type: ignore[assignment]  # sync here
        deployment, parameters=_given(checked), timeout=0, idempotency_key=key
    )
    ended = _awaited(begun.id, limit)
    if ended.state is None or not ended.state.is_final():
        _cancel(ended.id)
        raise SeqloomError(f"{asked.name}: not done within {limit:g} s; {ended.name} is cancelled")
    if not ended.state.is_completed():
        told = ended.state.message or ended.state.name
        raise SeqloomError(f"{asked.name}: run {ended.name} ended as {ended.state.name}: {told}")
    result = ended.state.result(raise_on_failure=False)
    content = result.model_dump(mode="json") if isinstance(result, BaseModel) else result
    return str(ended.id), content if isinstance(content, dict) else {}


def _awaited(flow_run: UUID, limit: float | None) -> FlowRun:
    """The run when it has ended, or as it is when the time is over."""
    until = time.monotonic() + (float("inf") if limit is None else limit)
    with get_client(sync_client=True) as client:
        while True:
            found = client.read_flow_run(flow_run)
            if (found.state is not None and found.state.is_final()) or time.monotonic() >= until:
                return found
            # Prefect's server cancels the other one, too
            stop_if_cancelled(f"{found.name}: this run was cancelled")
            time.sleep(POLL_S)


def _cancel(flow_run: UUID) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run, Cancelling())
