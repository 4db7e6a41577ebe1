"""The fixed words: issue types, tags, actions, and what each tag says about which finding.

Nothing else in the program spells these words. Issue types are singular; `normalise_issue_type` takes the
plurals and synonyms that other tools and people write.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from chaffinch.errors import UsageError

Question = Literal["leak", "duplicate", "quality", "label"]
"""What is settled one by one for each sample; outliers are a matter of quality."""

ISSUE_TYPES: Mapping[str, Question] = {
    "mislabel": "label",
    "outlier": "quality",
    "label_outlier": "label",
    "ambiguous_class": "label",
    "duplicate": "duplicate",
    "label_conflict": "label",
    "blur": "quality",
    "dark": "quality",
    "bright": "quality",
    "low_information": "quality",
    "odd_size": "quality",
    "odd_aspect_ratio": "quality",
    "grayscale": "quality",
    "corrupt": "quality",
    "leak": "leak",
}
"""Issue types and the question that each raises."""

_SYNONYMS = {
    "mislabeled": "mislabel",
    "mislabelled": "mislabel",
    "mislabeling": "mislabel",
    "wrong_label": "mislabel",
    "label_error": "mislabel",
    "label_issue": "mislabel",
    "visual_outlier": "outlier",
    "class_outlier": "label_outlier",
    "ambiguous": "ambiguous_class",
    "exact_duplicate": "duplicate",
    "near_duplicate": "duplicate",
    "blurry": "blur",
    "blurred": "blur",
    "underexposed": "dark",
    "overexposed": "bright",
    "light": "bright",
    "gray": "grayscale",
    "greyscale": "grayscale",
    "corrupted": "corrupt",
    "broken": "corrupt",
    "leakage": "leak",
    "train_test_leak": "leak",
}

Action = Literal["keep", "remove", "relabel", "none"]
ACTIONS: tuple[Action, ...] = ("keep", "remove", "relabel", "none")
"""What a decision does to a sample; `none` says nothing."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One word of the tag vocabulary."""

    name: str
    """The word."""
    description: str
    """What it says, for people."""
    confirms: tuple[str, ...] = ()
    """Issue types that the tag says are right."""
    rejects: tuple[str, ...] = ()
    """Issue types that the tag says are wrong."""
    action: Action | None = None
    """Action that the tag itself asks for."""


TAGS: Mapping[str, Tag] = {
    tag.name: tag
    for tag in (
        Tag("mislabel_confirmed", "Definitely wrong label", confirms=("mislabel", "label_conflict")),
        Tag("mislabel_uncertain", "Possibly wrong, needs discussion"),
        Tag("outlier_valid", "Edge case but correct", rejects=("outlier", "label_outlier")),
        Tag("outlier_invalid", "Outlier AND wrong label", confirms=("outlier", "label_outlier")),
        Tag("duplicate_exact", "Exact duplicate", confirms=("duplicate",)),
        Tag("duplicate_near", "Near duplicate (>95% similar)", confirms=("duplicate",)),
        Tag("low_quality_blur", "Blurry/low resolution", confirms=("blur",)),
        Tag("low_quality_corrupt", "Corrupted file", confirms=("corrupt",)),
        Tag("ambiguous_class", "Could belong to multiple classes", confirms=("ambiguous_class",)),
        Tag("train_test_leak", "Appears in both splits", confirms=("leak",)),
        Tag("keep", "Keep in dataset", rejects=tuple(ISSUE_TYPES), action="keep"),
        Tag("remove", "Remove from dataset", action="remove"),
        Tag("relabel", "Change label to different class", action="relabel"),
    )
}
"""The users' guide's vocabulary, in its order and with its descriptions."""


def normalise_issue_type(text: str) -> str | None:
    """Return the issue type that somebody's spelling means; None where it is none of ours.

    Case, blanks, hyphens and plurals do not matter: ``Near-Duplicates`` is `duplicate`.
    """
    word = re.sub(r"[\s\-/]+", "_", text.strip().lower()).strip("_")
    for candidate in (word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("_issue")):
        if candidate in ISSUE_TYPES:
            return candidate
        if candidate in _SYNONYMS:
            return _SYNONYMS[candidate]
    return None


def check_tags(tags: Iterable[str], *, where: str = "") -> list[str]:
    """Return the tags, each once, in order.

    Raises:
        UsageError: If one is not in the vocabulary; names the likely one.
    """
    found = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    for tag in found:
        if tag not in TAGS:
            close = difflib.get_close_matches(tag, TAGS, 1)
            likely = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(
                f"unknown tag {tag!r}", where=where, hint=f"{likely}The tags are {', '.join(TAGS)}"
            )
    return found
