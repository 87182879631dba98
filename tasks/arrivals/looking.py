"""One look at a folder: note what is there, claim what has settled, start what is claimed.

Each step is written down before the next one begins, and each can be done again: a look that was
killed anywhere is taken up by the next one.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from blocks.arrival_tables import ArrivalRun
from blocks.arrivals import Arrivals
from blocks.errors import InputError, TransientError
from blocks.file_versions import FileVersion, files_in
from blocks.masking import one_line
from tasks.arrivals.model import Seen, WatchParams

Fill = Callable[[Sequence[str]], dict[str, JsonValue]]
"""Parameters of the run of these files; raises InputError where they do not fit."""
Start = Callable[[ArrivalRun], str]
"""Starts a run, none twice for a key; its id. InputError: it will never start."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look needs besides the parameters of its watch."""

    place: str
    """The folder, absolute, or s3://…."""
    arrivals: Arrivals
    deployment: str
    fill: Fill
    start: Start
    log: logging.Logger | logging.LoggerAdapter[Any]

    def once(self, params: WatchParams) -> Seen:
        """Look once.

        Raises:
            InputError: There is no such folder.
            TransientError: The storage, or what starts runs, does not answer; what is claimed is
                started by the next look.
        """
        files = self._named(files_in(self.place, params.patterns, recursive=params.recursive))
        new = self.arrivals.see(files)
        ended = self._start_claimed()  # by a look that was killed, or could not
        for group in grouped(self.arrivals.settled(params.settle_s), params):
            if len(ended) >= params.most_runs:
                break
            run = self._planned(group)
            if self.arrivals.claim(run, group):
                ended += self._start_claimed([run])
        return Seen(
            watch=self.arrivals.watch,
            files=len(files),
            new=new,
            waiting=self.arrivals.waiting(),
            started=ended.count("started"),
            failed=ended.count("failed"),
        )

    def _named(self, files: Iterable[FileVersion]) -> list[FileVersion]:
        """Those whose names are text; others can be no parameter."""
        found = []
        for one in files:
            try:
                one.uri.encode()
            except UnicodeEncodeError:
                self.log.warning("%r: its name is not UTF-8; it is left alone", one.uri)
            else:
                found.append(one)
        return found

    def _planned(self, files: Sequence[FileVersion]) -> ArrivalRun:
        key = self.arrivals.run_key(files)
        run = ArrivalRun(
            key=key, watch=self.arrivals.watch, deployment=self.deployment, parameters={}
        )
        try:
            filled = {"params": self.fill([one.uri for one in files])}
        except InputError as error:
            self.log.warning("%s: %s", files[0].uri, one_line(error))
            return run.model_copy(update={"state": "failed", "error": one_line(error)})
        return run.model_copy(update={"parameters": filled})

    def _start_claimed(self, runs: Sequence[ArrivalRun] | None = None) -> list[str]:
        """How each of these, else each that is claimed, ended."""
        ended = []
        for run in self.arrivals.pending() if runs is None else runs:
            if run.state == "failed":
                ended.append("failed")
                continue
            try:
                flow_run = self.start(run)
            except InputError as error:
                self.log.warning("%s: %s", run.deployment, one_line(error))
                self.arrivals.failed(run.key, one_line(error))
                ended.append("failed")
            except TransientError as error:
                self.arrivals.not_yet(run.key, one_line(error))
                raise
            else:
                self.arrivals.started(run.key, flow_run)
                ended.append("started")
        return ended


def grouped(files: Sequence[FileVersion], params: WatchParams) -> list[Sequence[FileVersion]]:
    """The files of each run, in order."""
    size = params.batch if params.files == "together" else 1
    return [files[at : at + size] for at in range(0, len(files), size)]
