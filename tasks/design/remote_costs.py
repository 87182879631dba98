"""What the remote stages of a run will cost: requests, and time at the rate that is known."""

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


def cost_of(stage: StageParams, items: int) -> Cost | None:
    """The cost of asking `items`; None for a stage of this machine.

    The model is asked for its limits where there is anything to do; one that does not answer is
    taken to have none.
    """
    remote = settings_of(stage)
    if remote is None:
        return None
    if items == 0:
        return Cost(0, 0.0)
    call = call_of(remote)
    with session(connection_of(remote.connection)) as biolm:
        limits = biolm.limits(call)
    alone = call.whole or isinstance(remote, BiolmGenerate)
    requests = items if alone else ceil(items / (limits.batch_size or UNKNOWN_BATCH))
    return Cost(requests, requests / limits.per_second if limits.per_second else 0.0)
