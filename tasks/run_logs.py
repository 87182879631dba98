"""What gets into the logs of runs: no secret, and no word of the hooks that keep the records."""

import logging
import re

from blocks.masking import MaskingFilter

TASK_LOGGER = "prefect.task_runs"
LOGGERS = ("prefect.engine", "prefect.flow_runs", TASK_LOGGER)
"""The first tells of a flow's first hook, before the run has a logger."""
HOOK_PREFIX = "record_"
"""Of the names of our hooks."""
_HOOK_LINE = re.compile(
    rf"Running hook '{HOOK_PREFIX}|Hook '{HOOK_PREFIX}\w+' finished running successfully"
)


class HookFilter(logging.Filter):
    """Leaves out the two lines that Prefect writes for each hook of ours that went well."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is something else."""
        return record.levelno != logging.INFO or _HOOK_LINE.match(record.getMessage()) is None


def filter_logs() -> None:
    """Apply this to the logs of runs, wherever they are sent."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for kind in (HookFilter, MaskingFilter):
            if not any(isinstance(one, kind) for one in logger.filters):
                logger.addFilter(kind())
