"""All steps there are, by the name of their action."""

from tasks.reads.step import StepParams
from tasks.reads.steps.adapters import TrimAdaptersByOverlap, TrimAdapterSequence
from tasks.reads.steps.barcodes import Demultiplex, HammingCorrect
from tasks.reads.steps.calc import (
    CalcBaseContent,
    CalcComplexity,
    CalcExpectedError,
    CalcGCContent,
    CalcLength,
    CalcNCount,
    CalcQualifiedBases,
)
from tasks.reads.steps.delay import InternalDelay
from tasks.reads.steps.derive import ConcatTags, ConvertRegionsToLength, ForgetAllTags, ForgetTag
from tasks.reads.steps.duplicates import TagDuplicates, TagOtherFile
from tasks.reads.steps.edit import CutEnd, CutStart, Postfix, Prefix, Truncate
from tasks.reads.steps.evaluate import EvalExpression
from tasks.reads.steps.extract import (
    ExtractIUPAC,
    ExtractIUPACSuffix,
    ExtractIUPACWithIndel,
    ExtractLongestPolyX,
    ExtractLowQualityEnd,
    ExtractLowQualityStart,
    ExtractPolyTail,
    ExtractRegionsOfLowQuality,
)
from tasks.reads.steps.files import QuantifyTag, StoreTagInFastQ, StoreTagsInTable
from tasks.reads.steps.filters import FilterByNumericTag, FilterByTag, FilterEmpty, Head, Skip
from tasks.reads.steps.kmers import CalcKmers
from tasks.reads.steps.letters import ConvertQuality, Lowercase, Uppercase
from tasks.reads.steps.merge import MergeReads
from tasks.reads.steps.quality_trim import TrimQualityBwa, TrimQualityWindow
from tasks.reads.steps.read_filters import FilterLength, FilterQuality
from tasks.reads.steps.rearrange import ReverseComplement, Swap
from tasks.reads.steps.regions import ExtractRegex, ExtractRegion, ExtractRegions
from tasks.reads.steps.rename import Rename
from tasks.reads.steps.report import Report
from tasks.reads.steps.sample import FilterReservoirSample, FilterSample
from tasks.reads.steps.statistics import Statistics
from tasks.reads.steps.store import StoreTagInComment, StoreTagLocationInComment
from tasks.reads.steps.tags import ReplaceTagWithLetter, StoreTagInSequence, TrimAtTag
from tasks.reads.steps.tail_trim import TrimPolyG, TrimPolyX
from tasks.reads.steps.validate import (
    ValidateAllReadsSameLength,
    ValidateName,
    ValidateQuality,
    ValidateReadPairing,
    ValidateSeq,
)
from tasks.reads.steps.watch import Inspect, Progress

_CLASSES: tuple[type[StepParams], ...] = (
    TrimAdaptersByOverlap,
    TrimAdapterSequence,
    TrimPolyG,
    TrimPolyX,
    FilterQuality,
    FilterLength,
    Statistics,
    HammingCorrect,
    Demultiplex,
    CalcLength,
    CalcNCount,
    CalcGCContent,
    CalcBaseContent,
    CalcQualifiedBases,
    CalcExpectedError,
    CalcComplexity,
    InternalDelay,
    ConcatTags,
    ConvertRegionsToLength,
    ForgetTag,
    ForgetAllTags,
    TagDuplicates,
    TagOtherFile,
    CutStart,
    CutEnd,
    Truncate,
    Prefix,
    Postfix,
    EvalExpression,
    ExtractIUPAC,
    ExtractIUPACSuffix,
    ExtractIUPACWithIndel,
    ExtractLowQualityStart,
    ExtractLowQualityEnd,
    ExtractRegionsOfLowQuality,
    ExtractPolyTail,
    ExtractLongestPolyX,
    StoreTagsInTable,
    StoreTagInFastQ,
    QuantifyTag,
    Head,
    Skip,
    FilterByTag,
    FilterByNumericTag,
    FilterEmpty,
    CalcKmers,
    Lowercase,
    Uppercase,
    ConvertQuality,
    MergeReads,
    TrimQualityBwa,
    TrimQualityWindow,
    ReverseComplement,
    Swap,
    ExtractRegion,
    ExtractRegions,
    ExtractRegex,
    Rename,
    Report,
    FilterSample,
    FilterReservoirSample,
    StoreTagInComment,
    StoreTagLocationInComment,
    TrimAtTag,
    StoreTagInSequence,
    ReplaceTagWithLetter,
    ValidateQuality,
    ValidateSeq,
    ValidateReadPairing,
    ValidateName,
    ValidateAllReadsSameLength,
    Inspect,
    Progress,
)
STEPS: dict[str, type[StepParams]] = {
    str(one.model_fields["action"].default): one for one in _CLASSES
}

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
