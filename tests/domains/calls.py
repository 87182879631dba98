"""An annotation with one of everything, for tests of what is made from annotations."""

from tasks.domains.calls import Annotation, DomainCall, DomainEvidence, LevelCall, Unassigned
from tasks.domains.evidence import evidence_frame


def evidence(**others) -> DomainEvidence:
    return DomainEvidence(
        **{
            "row": 0, "source": "hhsearch", "program": "hhsearch", "target": "d1xyza1",
            "domain": "d1xyza1", "evalue": 1e-20, "bitscore": None, "probability": 0.995,
            "identity": 0.25, "coverage": 0.9, "query_segments": ((159, 320), (349, 400)),
            "target_segments": ((0, 212),), "classification": "c.47.1.5", **others,
        }
    )  # fmt: skip


def domain(**others) -> DomainCall:
    levels = (
        LevelCall(name="class", value="c", confidence=0.99),
        LevelCall(name="fold", value="c.47", confidence=0.97),
        LevelCall(name="superfamily", value="c.47.1", confidence=0.96),
        LevelCall(name="family", value=None, confidence=0.4),
    )
    return DomainCall(
        **{
            "number": 1, "segments": ((159, 320), (349, 400)), "classification": "c.47.1",
            "levels": levels, "confidence": 0.93, "source": "hhsearch",
            "reference_domain": "d1xyza1", "reference_length": 220, "evidence": (evidence(),),
            "evidence_count": 3, "is_fragment": False, "is_discontinuous": True,
            "extended_start": 4, **others,
        }
    )  # fmt: skip


def annotation(**others) -> Annotation:
    left = (
        Unassigned(segments=((0, 159),), reason="weak_hits", detail="d1abca_ E 0.001"),
        Unassigned(segments=((320, 349),), reason="short"),
    )
    return Annotation(
        **{
            "protein": "p<1>", "length": 400, "outcome": "partly", "domains": (domain(),),
            "unassigned": left, "assigned": 212, "evidence_count": 7, **others,
        }
    )  # fmt: skip


FRAME = evidence_frame(
    [
        {
            "protein": "p<1>", "source": "domain_blast", "program": "blastp", "target": "d1xyza1",
            "query_starts": [159, 170, 349], "target_starts": [0, 14, 161],
            "block_lengths": [11, 150, 51], "identities": 53, "evalue": 0.0, "bitscore": 300.5,
            "probability": float("nan"), "hsp_count": 2,
        }
    ]
)  # fmt: skip
