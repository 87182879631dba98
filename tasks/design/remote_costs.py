"""What the remote stages of a run will cost: requests, and time at the rate that is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from blocks.biolm import connection_of
from blocks.biolm_sessions import session
from tasks.design.model import StageParams
from tasks.design.remote_asking import UNKNOWN_BATCH, call_of
from tasks.design.remote_generation import BiolmGenerate
from tasks.design.remote_model import RemoteSettings


@dataclass(frozen=True, slots=True)
class Cost:
    """What it takes to ask so many items."""

    requests: int
    least_s: float
    """Time that the model's rate limit alone takes; 0 where none is known."""


def settings_of(stage: StageParams) -> RemoteSettings | None:
    """The service that a stage asks; None where it asks none."""
    with_ = getattr(stage, "with_", None)
    return with_ if isinstance(with_, RemoteSettings) else None


def cost_of(stage: StageParams, items: Sequence[int]) -> Cost:
    """The cost of asking so many items, one time after the other; nothing for a local stage.

    The model is asked for its limits where there is anything to do; one that does not answer is
    taken to have none.
    """
    remote = settings_of(stage)
    if remote is None or not any(items):
        return Cost(0, 0.0)
    call = call_of(remote)
    with session(connection_of(remote.connection)) as biolm:
        limits = biolm.limits(call)
    alone = call.whole or isinstance(remote, BiolmGenerate)
    size = 1 if alone else limits.batch_size or UNKNOWN_BATCH
    requests = sum(ceil(count / size) for count in items)
    return Cost(requests, requests / limits.per_second if limits.per_second else 0.0)
