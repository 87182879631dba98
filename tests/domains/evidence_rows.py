"""Rows of evidence, as searches write them."""


def row(  # noqa: PLR0917 -- the columns that differ, in the order of an alignment
    target, query, start, length, evalue, share=0.4, source="domain_blast", **others
):
    return {
        "protein": "p",
        "source": source,
        "program": "blastp",
        "target": target,
        "query_starts": [query],
        "target_starts": [start],
        "block_lengths": [length],
        "identities": round(share * length),
        "evalue": evalue,
        "bitscore": 100.0,
        "probability": float("nan"),
        "hsp_count": 1,
        **others,
    }
