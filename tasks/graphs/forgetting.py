"""Drop what runs over graphs have stored, by its age: nothing else ends its life."""

from dataclasses import dataclass

from blocks.kept_answers import KeptAnswers
from blocks.settings import settings
from blocks.storage import Storage
from tasks.graphs import frames


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What is gone."""

    answers: int
    """Of steps and language models, and names of stored outcomes."""
    objects: int
    """With outcomes of nodes."""
    bytes: int
    """Of those objects."""


def forget(older_than_s: float) -> Forgotten:
    """Drop what was stored before so many seconds.

    A later run makes it again. Results' folders stay; what they have of a node's items can no
    longer be looked at or run again, in newer runs that had taken it over neither.
    """
    answers = KeptAnswers().forget(older_than_s)
    objects, size = Storage(settings().storage).forget(frames.SUFFIX, older_than_s)
    return Forgotten(answers, objects, size)
