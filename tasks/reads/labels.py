"""Names that tags may have."""

import re

RESERVED = {
    "ReadName": "the first column of StoreTagsInTable",
    "read_no": "the number of the read in EvalExpression",
}
LETTERS = "letters, digits and _ (a-zA-Z0-9_)"


def label_fault(label: str) -> tuple[str, str] | None:
    """What is wrong with a tag's name, and what was expected; None if nothing is."""
    if not label:
        return "it is empty", f"a name of {LETTERS}"
    if not re.match(r"[A-Za-z_]", label):
        return f"it starts with {label[0]!r}", "a letter or _ first"
    if wrong := re.search(r"[^A-Za-z0-9_]", label):
        return f"it contains {wrong[0]!r}", f"only {LETTERS}"
    if label in RESERVED:
        return f"it is reserved for {RESERVED[label]}", "another name"
    if label.startswith("len_"):
        return "it begins with 'len_', which is reserved for lengths", "another name"
    return None
