"""The images of an export as samples, for a workspace that has not seen the pictures.

Nothing is read but names: the split comes from the export, a rule, a folder named like a split, or a file
name of the usual datasets; the key is the path below the split's folder, as a scan of that folder would have
it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaffinch.errors import IdentityError, UsageError
from chaffinch.formats.location import absolute_uri
from chaffinch.formats.names import SeenNames, clean_name
from chaffinch.identity import NO_SPLIT, SPLIT_ORDER, check_split_name, path_text
from chaffinch.records import SampleRef


@dataclass(frozen=True, slots=True)
class SplitRule:
    """Images whose path a pattern is found in belong to a split."""

    pattern: re.Pattern[str]
    """Searched in the path as written."""
    split: str
    """Name of the split."""


USUAL_RULES = (
    SplitRule(re.compile(r"(?:^|/)ILSVRC20\d\d_val_"), "val"),
    SplitRule(re.compile(r"(?:^|/)ILSVRC20\d\d_test_"), "test"),
    SplitRule(re.compile(r"(?:^|/)n\d{8}_\d+\.[A-Za-z]+$"), "train"),
    SplitRule(re.compile(r"(?:^|/)COCO_train20\d\d_"), "train"),
    SplitRule(re.compile(r"(?:^|/)COCO_val20\d\d_"), "val"),
    SplitRule(re.compile(r"(?:^|/)COCO_test20\d\d_"), "test"),
)
"""File names of ImageNet and COCO, which often lie flat in one folder."""


def parse_split_rules(options: Iterable[str]) -> list[SplitRule]:
    """Turn ``REGEX=SPLIT`` options into rules; the last '=' parts them.

    Raises:
        UsageError: If one is not of this form or its pattern is no regular expression.
    """
    rules = []
    for option in options:
        pattern, equals, split = option.rpartition("=")
        if not (equals and pattern and split):
            raise UsageError(
                f"--split-rule takes REGEX=SPLIT, got {option!r}", hint="--split-rule '_val_=val'"
            )
        try:
            rules.append(SplitRule(re.compile(pattern), check_split_name(split)))
        except re.error as error:
            raise UsageError(
                f"--split-rule {option!r} is no regular expression: {error}", hint="--split-rule '_val_=val'"
            ) from error
    return rules


def split_of(path: str | None, rules: Sequence[SplitRule]) -> str | None:
    """Return the split that a path tells: by the user's rules, a folder's name, then `USUAL_RULES`."""
    if not path:
        return None
    path = _slashed(path)
    for rule in rules:
        if rule.pattern.search(path):
            return rule.split
    folders = path.split("/")[:-1]
    named = next((part for part in folders if part in SPLIT_ORDER), None)
    if named is not None:
        return named
    return next((rule.split for rule in USUAL_RULES if rule.pattern.search(path)), None)


def _slashed(path: str) -> str:
    return path if "/" in path else path.replace("\\", "/")


class ExportRefs:
    """Makes one `SampleRef` for each image of exports; keys stay unique. Cost: 8 bytes an image."""

    def __init__(self) -> None:
        self._keys = SeenNames()
        self.n_renamed = 0
        """Images whose path another one has too, so that their key holds the id."""

    def take_note(self, ref: SampleRef) -> None:
        """Remember a sample that is there already."""
        self._keys.add(f"{ref.split}/{ref.rel_path}")

    def ref(
        self, *, item_id: str | None, path: str | None, split: str | None, given_label: str | None
    ) -> SampleRef:
        """Return the ref of an image that has an id, a path, or both.

        Raises:
            IdentityError: If the split's name cannot be one, or a path comes twice and no id tells which.
        """
        split = NO_SPLIT if split is None else check_split_name(split)
        named = _slashed(path or item_id or "")
        rel_path = self._free_name(split, named, item_id)
        return SampleRef(
            split=split,
            rel_path=rel_path,
            image_path=path_text(path or item_id or ""),
            uri=absolute_uri(named),
            member="",
            given_label=given_label,
            source_id=item_id,
            size_bytes=-1,
            stamp="",
        )

    def _free_name(self, split: str, named: str, item_id: str | None) -> str:
        parts = named.split("/")
        below = parts[parts.index(split) + 1 :] if split in parts[:-1] else parts
        whole = clean_name(named) or "unnamed"
        for candidate in (
            clean_name("/".join(below)) or whole,
            whole,
            f"{whole}/{clean_name(item_id or '')}",
        ):
            if self._keys.add(f"{split}/{candidate}"):
                self.n_renamed += candidate.startswith(f"{whole}/")
                return candidate
        raise IdentityError(
            f"the export names {named!r} (id {item_id!r}) twice as two images",
            hint="give each image its own id or path",
        )
