"""All steps that a declared graph may name, by their names; nothing else can be named in data."""

from typing import Any

from tasks.graphs.step import Step
from tasks.graphs.steps.choosing import FILTER
from tasks.graphs.steps.classifying import CLASSIFY
from tasks.graphs.steps.cleaning import CLEAN
from tasks.graphs.steps.collecting import AGGREGATE, BATCH
from tasks.graphs.steps.deduplicating import DEDUPE
from tasks.graphs.steps.embedding import EMBED, TFIDF
from tasks.graphs.steps.extracting import EXTRACT
from tasks.graphs.steps.generating import GENERATE
from tasks.graphs.steps.joining import MERGE
from tasks.graphs.steps.nesting import GRAPH, PYTHON, REPEAT
from tasks.graphs.steps.ranking import RERANK
from tasks.graphs.steps.splitting import SPLIT, TOKENISE
from tasks.graphs.steps.summarising import SUMMARISE
from tasks.graphs.steps.translating import TRANSLATE

_LISTED: tuple[Step[Any], ...] = (
    # one name a line
    AGGREGATE,
    BATCH,
    CLASSIFY,
    CLEAN,
    DEDUPE,
    EMBED,
    EXTRACT,
    FILTER,
    GENERATE,
    GRAPH,
    MERGE,
    PYTHON,
    REPEAT,
    RERANK,
    SPLIT,
    SUMMARISE,
    TFIDF,
    TOKENISE,
    TRANSLATE,
)
STEPS: dict[str, Step[Any]] = {one.name: one for one in _LISTED}
