"""All steps there are, by the name of their action.

A step's module is imported when the step is asked for: a run needs few of them, and all take longer
than reading its configuration.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from tasks.reads.step import StepParams

_ACTIONS = {
    "adapters": "TrimAdaptersByOverlap TrimAdapterSequence",
    "tail_trim": "TrimPolyG TrimPolyX",
    "read_filters": "FilterQuality FilterLength",
    "statistics": "Statistics",
    "barcodes": "HammingCorrect Demultiplex",
    "calc": "CalcLength CalcNCount CalcGCContent CalcBaseContent CalcQualifiedBases "
    "CalcExpectedError CalcComplexity",
    "delay": "_InternalDelay",
    "derive": "ConcatTags ConvertRegionsToLength ForgetTag ForgetAllTags",
    "duplicates": "TagDuplicates TagOtherFile",
    "edit": "CutStart CutEnd Truncate Prefix Postfix",
    "evaluate": "EvalExpression",
    "extract": "ExtractIUPAC ExtractIUPACSuffix ExtractIUPACWithIndel ExtractLowQualityStart "
    "ExtractLowQualityEnd ExtractRegionsOfLowQuality ExtractPolyTail ExtractLongestPolyX",
    "files": "StoreTagsInTable StoreTagInFastQ QuantifyTag",
    "filters": "Head Skip FilterByTag FilterByNumericTag FilterEmpty",
    "kmers": "CalcKmers",
    "letters": "Lowercase Uppercase ConvertQuality",
    "merge": "MergeReads",
    "quality_trim": "TrimQualityBwa TrimQualityWindow",
    "rearrange": "ReverseComplement Swap",
    "regions": "ExtractRegion ExtractRegions ExtractRegex",
    "rename": "Rename",
    "report": "Report",
    "sample": "FilterSample FilterReservoirSample",
    "store": "StoreTagInComment StoreTagLocationInComment",
    "tags": "TrimAtTag StoreTagInSequence ReplaceTagWithLetter",
    "validate": "ValidateQuality ValidateSeq ValidateReadPairing ValidateName "
    "ValidateAllReadsSameLength",
    "watch": "Inspect Progress",
}
"""Module of `tasks.reads.steps` -> actions, which are also the names of its classes."""
_MODULES = {action: module for module, named in _ACTIONS.items() for action in named.split()}


class _Steps(Mapping[str, type[StepParams]]):
    """Each class by its action."""

    def __getitem__(self, action: str) -> type[StepParams]:
        module = import_module(f"tasks.reads.steps.{_MODULES[action]}")
        found: type[StepParams] = getattr(module, action.lstrip("_"))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


STEPS = _Steps()

NOT_SUPPORTED = {
    "_InternalReadCount": "a step Report with count = true",
    "_InduceFailure": "a configuration without this test of the original's errors",
    "Matches": "ExtractRegex and FilterByTag",
    "CalcWorstQuality": "CalcExpectedError with aggregate = 'max'",
    "CompareStringTags": "a configuration without it",
    "StoreTagBackInSequence": "StoreTagInSequence",
    "FillMissing": "ConcatTags",
    "StoreSingleCellMatrix": "StoreTagsInTable",
    "AssignByHalves": "HammingCorrect",
}
"""Steps of other versions: what to do without them."""
