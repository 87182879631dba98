"""The stages of a design run that call a remote model, as Prefect tasks."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from prefect import runtime

from blocks import biolm_sessions
from blocks.biolm import connection_of
from blocks.prediction_key import ModelKey
from blocks.storage import FileRef
from tasks.design import remote_generators
from tasks.design.biolm_predict import BiolmPredict
from tasks.design.budget import Allowance, Budget
from tasks.design.model import GenerateStage, PredictStage
from tasks.design.remote_asking import Asker
from tasks.design.remote_generators import StoredModel
from tasks.design.remote_model import RemoteSettings
from tasks.design.remote_predictor import RemotePredictor
from tasks.design.stages import as_source, scored
from tasks.items import StageResult
from tasks.policies import remote, run_logger
from tasks.slots import slots

_of_run: dict[str | None, Allowance] = {}
_asks_alone: defaultdict[ModelKey, Lock] = defaultdict(Lock)
"""Stages of one process that ask for the same do so one after the other, so as not to pay twice."""


@contextmanager
def remote_models(budget: Budget) -> Iterator[None]:
    """The stages of the flow run around share clients, and may ask for so much together."""
    run = runtime.flow_run.id
    _of_run[run] = Allowance(budget)
    try:
        with biolm_sessions.kept_open():
            yield
    finally:
        del _of_run[run]


def allowance() -> Allowance:
    """What the flow run around has left; without one there is no limit."""
    return _of_run.get(runtime.flow_run.id) or Allowance(Budget())


@remote()
def predict_remotely(
    stage: PredictStage, needs: list[StageResult], stop_on_error: bool
) -> StageResult:
    """As `predict`, by a remote model; what it answered before is not asked again."""
    assert isinstance(stage.with_, BiolmPredict)  # noqa: S101 -- the flow has looked
    with biolm_sessions.session(connection_of(stage.with_.connection)) as session:
        predictor = RemotePredictor(stage, session, allowance(), slots)
        with _asks_alone[predictor.key]:
            result = scored(stage, needs, predictor, stop_on_error)
        return _told(result, predictor.asker)


@remote(*remote_generators.MODULES)
def generate_remotely(
    stage: GenerateStage,
    *,
    structure: FileRef | None,  # noqa: ARG001 -- what it holds is part of the cache key
    service: str,  # noqa: ARG001 -- the same
    parent: str,
    seed: int,
    ordinal: int,
) -> StageResult:
    """As `generate`, by a remote model; kept as a whole, and its answers one by one.

    Args:
        structure: The file that is sent, None where none is.
        service: Name of the service.
    """
    params = stage.with_
    assert isinstance(params, RemoteSettings)  # noqa: S101 -- the flow has looked
    connection = connection_of(params.connection)
    with biolm_sessions.session(connection) as session:
        asker = Asker(stage.name, params, session, allowance(), slots)
        model = StoredModel(params, asker, connection, seed)
        made = remote_generators.generate(params, model, parent=parent or None, seed=seed)
        return _told(as_source(stage, made, ordinal), asker)


def _told(result: StageResult, asker: Asker) -> StageResult:
    """The result with its number of requests, which are said where there were any."""
    if not asker.requests:
        return result
    run_logger().info("%s: %d requests", result.stage, asker.requests)
    counts = result.counts.model_copy(update={"requests": asker.requests})
    return result.model_copy(update={"counts": counts})
