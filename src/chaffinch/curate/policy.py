"""Policies: rules that people wrote down once, as YAML, checked before anything is decided by them.

::

    name: default
    version: 1
    leaks: {side: test}
    duplicates: keep
    rules:
      - where: issue_type = 'blur' and confidence > 0.95
        tags: [low_quality_blur]
        action: remove
    max_removed: {overall: 10%, per_class: 25%}

docs/formats.md is normative. An error names file, line and the word that was probably meant.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from chaffinch.curate.events import Saying, checked
from chaffinch.errors import UsageError
from chaffinch.records import POLICY_PREFIX

LeakSide = Literal["train", "test", "both"]
LEAK_SIDES: tuple[LeakSide, ...] = ("test", "train", "both")
"""Which image of a leak goes; the guide's choice first."""

DEFAULT = Path(__file__).with_name("default_policy.yaml")
"""The policy that comes with the program: the guide's step 3.3."""

_KEYS = ("name", "version", "description", "rules", "leaks", "duplicates", "max_removed")
_RULE_KEYS = ("where", "tags", "action", "new_label", "note")
_DUPLICATES = ("keep", "remove")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it selects, and what it says about that."""

    where: str
    """A where-expression."""
    saying: Saying
    """Tags, action, label, note; checked."""
    place: str
    """File and line, for messages."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many samples may be removed."""

    amount: float
    """Share in 0..1, or a number of samples."""
    is_share: bool
    """Which of the two."""

    def allowed(self, n_samples: int) -> int:
        """Return how many of `n_samples` may go."""
        return math.floor(self.amount * n_samples + 1e-9) if self.is_share else math.floor(self.amount)

    def __str__(self) -> str:
        return f"{self.amount:.4g}" if self.is_share else f"{self.amount:g} images"


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy."""

    name: str
    """What its decisions are known by."""
    version: str
    """Told apart by people; part of the decisions' origin."""
    rules: tuple[Rule, ...] = ()
    """In the order of the file; of two that contradict each other about a finding the first counts."""
    leak_side: LeakSide | None = None
    """Leaking images of this side are tagged and removed; None leaves leaks to the rules."""
    removes_duplicates: bool = False
    """Whether all copies are removed, by whatever method they were found; False leaves them to the rules."""
    max_removed: Limit | None = None
    """Of the whole dataset."""
    max_removed_per_class: Limit | None = None
    """Of each class."""

    @property
    def origin(self) -> str:
        """`Decision.origin` of what it decides."""
        return f"{POLICY_PREFIX}{self.name}@{self.version}"


def read_policy(path: Path) -> Policy:
    """Read and check a policy.

    Raises:
        UsageError: With file and line, if it is no policy.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("is no UTF-8 text", where=str(path)) from error
    return parse_policy(text, name=str(path))


def parse_policy(text: str, *, name: str) -> Policy:
    """Check the text of a policy.

    Args:
        text: YAML.
        name: What to call it in messages.

    Raises:
        UsageError: With `name` and line, if it is no policy.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        return _Reader(loader, name).policy(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        hint = "put an expression that holds ': ' or ' #' or begins with a quote in double quotes"
        raise UsageError(f"is no YAML: {error.problem}", where=f"{name} line {line}", hint=hint) from error
    except yaml.YAMLError as error:
        raise UsageError(f"is no YAML: {error}", where=name) from error
    finally:
        loader.dispose()


@dataclass(frozen=True, slots=True)
class _Entry:
    """One value with its line."""

    node: yaml.Node
    value: Any

    @property
    def line(self) -> int:
        return self.node.start_mark.line + 1


class _Reader:
    """Turns YAML nodes, which know their lines, into a policy."""

    def __init__(self, loader: yaml.SafeLoader, name: str) -> None:
        self._loader = loader
        self._name = name

    def policy(self, node: yaml.Node | None) -> Policy:
        if node is None:
            raise UsageError(
                "is empty", where=self._name, hint="chaffinch policy show prints one to start from"
            )
        top = self._entries(node, _KEYS, "a policy")
        for key in ("name", "version"):
            if key not in top:
                raise self._error(node, f"the policy has no {key!r}", f"add '{key}: ...'")
        overall, per_class = self._limits(top.get("max_removed"))
        duplicates = self._word(top, "duplicates", _DUPLICATES)
        return Policy(
            name=self._plain_name(top["name"]),
            version=self._plain_name(top["version"]),
            rules=tuple(self._rule(rule) for rule in self._items(top.get("rules"), "rules")),
            leak_side=self._leak_side(top.get("leaks")),
            removes_duplicates=duplicates == "remove",
            max_removed=overall,
            max_removed_per_class=per_class,
        )

    def _rule(self, node: yaml.Node) -> Rule:
        entries = self._entries(node, _RULE_KEYS, "a rule")
        if "where" not in entries:
            raise self._error(
                node, "the rule has no 'where'", "where: issue_type = 'blur' and confidence > 0.9"
            )
        place = f"{self._name} line {node.start_mark.line + 1}"
        where = self._text(entries["where"], "where")
        label = entries.get("new_label")
        saying = Saying(
            tags_added=tuple(self._tags(entries.get("tags"))),
            action=cast("Any", self._text(entries["action"], "action")) if "action" in entries else "none",
            new_label=None if label is None else self._text(label, "new_label"),
            note=self._text(entries["note"], "note") if "note" in entries else "",
        )
        return Rule(where, checked(saying, where=place), place)

    def _tags(self, entry: _Entry | None) -> Sequence[str]:
        if entry is None or entry.value is None:
            return []
        values = entry.value if isinstance(entry.value, list) else str(entry.value).split(",")
        if not all(isinstance(value, str) for value in values):
            raise self._error(entry.node, "tags must be a list of words", "tags: [low_quality_blur]")
        return values

    def _leak_side(self, entry: _Entry | None) -> LeakSide | None:
        if entry is None or entry.value is None:
            return None
        inner = self._entries(entry.node, ("side",), "leaks")
        if "side" not in inner:
            raise self._error(entry.node, "leaks has no 'side'", "leaks: {side: test}")
        return cast("LeakSide", self._word(inner, "side", LEAK_SIDES))

    def _limits(self, entry: _Entry | None) -> tuple[Limit | None, Limit | None]:
        if entry is None or entry.value is None:
            return None, None
        if not isinstance(entry.value, dict):
            return self._limit(entry), None
        inner = self._entries(entry.node, ("overall", "per_class"), "max_removed")
        overall, per_class = inner.get("overall"), inner.get("per_class")
        return self._limit(overall) if overall else None, self._limit(per_class) if per_class else None

    def _limit(self, entry: _Entry) -> Limit:
        value, hint = entry.value, "a share such as 0.1 or 10%, or a number of images such as 500"
        if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)? ?%", value):
            value = float(value.rstrip("% ")) / 100
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise self._error(entry.node, f"{entry.value!r} is no limit", hint)
        if isinstance(value, float) and value > 1:
            raise self._error(entry.node, f"{entry.value!r} is more than all", hint)
        return Limit(float(value), isinstance(value, float))

    def _plain_name(self, entry: _Entry) -> str:
        text = str(entry.value)
        if not isinstance(entry.value, str | int | float) or not _NAME.fullmatch(text):
            raise self._error(entry.node, f"{text!r} is no plain word", "letters, digits, '.', '-' and '_'")
        return text

    def _text(self, entry: _Entry, key: str) -> str:
        if isinstance(entry.value, dict | list) or entry.value is None:
            raise self._error(entry.node, f"{key!r} must be text", 'put it in double quotes: "..."')
        # A label or word that YAML takes for a number or truth value is meant as it was written.
        return str(entry.node.value) if isinstance(entry.node, yaml.ScalarNode) else str(entry.value)

    def _word(self, entries: Mapping[str, _Entry], key: str, words: Sequence[str]) -> str | None:
        entry = entries.get(key)
        if entry is None or entry.value in words:
            return None if entry is None else cast("str", entry.value)
        raise self._error(entry.node, f"{key} cannot be {entry.value!r}", _likely(str(entry.value), words))

    def _items(self, entry: _Entry | None, key: str) -> list[yaml.Node]:
        if entry is None or entry.value is None:
            return []
        if not isinstance(entry.node, yaml.SequenceNode):
            raise self._error(entry.node, f"{key!r} must be a list", "begin each with '- where: ...'")
        return cast("list[yaml.Node]", entry.node.value)

    def _entries(self, node: yaml.Node, keys: Sequence[str], what: str) -> dict[str, _Entry]:
        """Return the values of a mapping by key, all of which must be known and stand once."""
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, f"{what} must have keys", f"the keys are {', '.join(keys)}")
        entries: dict[str, _Entry] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key not in keys:
                raise self._error(key_node, f"{what} has no key {key!r}", _likely(key, keys))
            if key in entries:
                raise self._error(key_node, f"the key {key!r} stands twice", "leave one out")
            entries[key] = _Entry(value_node, self._loader.construct_object(value_node, deep=True))
        return entries

    def _error(self, node: yaml.Node, what: str, hint: str) -> UsageError:
        return UsageError(what, where=f"{self._name} line {node.start_mark.line + 1}", hint=hint)


def _likely(word: str, words: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, words, 1)
    return f"did you mean {close[0]!r}?" if close else f"take one of {', '.join(words)}"
