"""Reviews without Prefect's engine: the same stages, called one after the other."""

from datetime import UTC, datetime

from tasks.agents import stages
from tasks.agents.delivery import Delivered, deliver
from tasks.agents.model import ReviewParams
from tasks.agents.outcome import Performance
from tasks.agents.planning import plan_frame, prepare
from tasks.policies import Ended


def reviewed(**given) -> Delivered:
    """A whole review, delivered."""
    params = ReviewParams.model_validate(given)
    run = prepare(params)
    read = stages.read.fn(run.sources, params.records, params.generated, params.rules)
    done = {"read": read}
    if params.model.connection and params.extract.ask_for:
        done["extract"] = stages.extract_with_model.fn(read, params.extract, params.model)
    else:
        done["extract"] = stages.extract.fn(read, params.extract)
    done["transform"] = stages.transform.fn(read, params.transform)
    done["analyse"] = stages.analyse.fn(read)
    done["validate"] = stages.validate.fn(read, params.rules)
    parts = tuple(done[name] for name in ("extract", "transform", "analyse", "validate"))
    if params.model.connection:
        done["synthesise"] = stages.synthesise_with_model.fn(
            read, parts, params.synthesis, run.title, params.model
        )
    else:
        done["synthesise"] = stages.synthesise.fn(read, parts, params.synthesis)
    ended = {name: Ended(one, cached=False) for name, one in done.items()}
    frame = plan_frame(run, {})
    return deliver.fn(run, ended, Performance(), plan=frame, started=datetime.now(UTC))
