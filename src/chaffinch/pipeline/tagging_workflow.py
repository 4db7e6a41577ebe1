"""`VLTaggingWorkflow`: the guide's tagging workflow, from an export to a manifest, without a workspace.

An export comes in, decisions are added in batches, a manifest goes out, with the decisions as events beside
it (``<manifest>.events.jsonl``). docs/formats.md says what the columns mean.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pandas as pd

from chaffinch.curate.events import Act, Saying, check_reviewer, checked
from chaffinch.curate.exported import is_exported
from chaffinch.curate.returned import Returned, compare
from chaffinch.curate.state import SubjectState, fold
from chaffinch.errors import UsageError
from chaffinch.formats.manifest_csv import (
    COLUMNS,
    UNDECIDED,
    ManifestDecision,
    as_decision,
    read_manifest,
    write_manifest,
)
from chaffinch.identity import is_canonical_int
from chaffinch.pipeline.export_frame import image_findings, image_frame, read_export_frame
from chaffinch.pipeline.manifest_decisions import keep_decided, linked_decisions
from chaffinch.records import Decision, LoggedDecision
from chaffinch.storage.files import atomic_path
from chaffinch.taxonomy import TAGS, Action

MANIFEST_COLUMNS = COLUMNS[:-1]
"""Columns of `tagged_data`; the CSV has `row_hash` behind them."""

EVENTS_FORMAT = "chaffinch events"
_WARNED = 5
"""Ids that a warning names."""
_SHARED_IDS = (
    "images have an id that another path has too; tags by id go to all of them, and so would a list of ids "
    "to remove ('chaffinch import visual-layer' and 'apply' write a list for each split)"
)


class VLTaggingWorkflow:
    """Tag the images that Visual Layer flagged.

    >>> workflow = VLTaggingWorkflow("exports/imagenet1k_vl_export.csv", "imagenet1k")  # doctest: +SKIP
    >>> workflow.load_vl_export()                                                     # doctest: +SKIP
    >>> workflow.create_tagging_manifest()                                            # doctest: +SKIP

    A subclass may build the manifest itself: what its `create_tagging_manifest` returns, or leaves in
    `tagged_data`, is completed with the columns that it lacks.
    """

    USER_TAGS: ClassVar[dict[str, str]] = {tag.name: tag.description for tag in TAGS.values()}
    """The vocabulary: tag to what it says."""

    def __init__(
        self, vl_export_path: str | Path, dataset_name: str, *, mapping: Mapping[str, str] | None = None
    ) -> None:
        """Name an export; nothing is read yet.

        Args:
            vl_export_path: CSV, JSON, Parquet or zip.
            dataset_name: Goes into the manifest's column `dataset`.
            mapping: Which column of the export is which, such as ``{"image_id": "your_id_column"}``.
        """
        self.vl_export_path = Path(vl_export_path).expanduser()
        self.dataset_name = dataset_name
        self.mapping = dict(mapping or {})
        self.vl_data: pd.DataFrame = pd.DataFrame()
        """One row for each finding."""
        self.tagged_data: pd.DataFrame = pd.DataFrame()
        """The manifest: one row for each image."""
        self.events: list[Decision] = []
        """What was decided here, in order."""
        self._unmapped: Exception | None = None
        self._logged: dict[str, list[LoggedDecision]] = defaultdict(list)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take over the manifest that a subclass builds."""
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get("create_tagging_manifest")
        if own is not None:
            cls.create_tagging_manifest = _adopting(own)  # type: ignore[method-assign]

    def load_vl_export(self) -> pd.DataFrame:
        """Read the export into `vl_data` and return it.

        Raises:
            SourceError: If it cannot be read, with row and column where a value cannot be used.
        """
        frame = read_export_frame(self.vl_export_path, mapping=self.mapping)
        self.vl_data, self._unmapped = frame.rows, frame.unmapped
        return self.vl_data

    def create_tagging_manifest(self) -> pd.DataFrame:
        """Make `tagged_data` of `vl_data`, one row for each image, nothing decided; return it.

        Raises:
            TableError: If the export's columns are not known; names those that are there.
        """
        if self.vl_data.empty and not len(self.vl_data.columns):
            self.load_vl_export()
        if self._unmapped is not None:
            raise self._unmapped
        self._adopt(image_frame(self.vl_data))
        n_shared = int(self.tagged_data["image_id"].duplicated().sum())
        if n_shared:
            warnings.warn(f"{n_shared:,} {_SHARED_IDS}", stacklevel=2)
        return self.tagged_data

    def _adopt(self, manifest: pd.DataFrame) -> None:
        """Take a manifest, complete its columns and forget earlier decisions."""
        empty: dict[str, Any] = {"dataset": self.dataset_name, "user_tags": "", "user_action": UNDECIDED}
        for column in MANIFEST_COLUMNS:
            if column not in manifest.columns or (column in empty and manifest[column].isna().all()):
                manifest[column] = empty.get(column, "")
        if _is_integer_labelled(manifest["label"]):
            manifest["new_label"] = manifest["label"]
        others = [name for name in manifest.columns if name not in MANIFEST_COLUMNS]
        self.tagged_data = manifest[[*MANIFEST_COLUMNS, *others]]
        self.events.clear()
        self._logged.clear()

    # ------------------------------------------------------------------------------------------- deciding

    def add_user_tags_batch(
        self,
        image_ids: Iterable[Any],
        tags: Sequence[str],
        action: str | None = None,
        *,
        reviewer_name: str = "",
        new_label: Any = None,
        notes: str = "",
    ) -> int:
        """Decide about many images; returns how many of them the manifest has.

        Ids that the manifest lacks are warned about. `relabel` without a label takes each image's suggestion.

        Raises:
            UsageError: If a tag or action is unknown, or one contradicts another; nothing is changed then.
        """
        label = None if new_label is None else str(new_label)
        wanted = cast("Action", action or "none")
        saying = checked(Saying(tuple(tags), (), wanted, label, notes), where="add_user_tags_batch")
        rows = self._rows_of(image_ids)
        return self._decide(dict.fromkeys(rows, saying), reviewer_name)

    def add_decisions_from(self, path: str | Path, reviewer_name: str = "") -> list[Returned]:
        """Take over the decisions that the review page saved, or those of an edited manifest.

        Of an edited manifest, rows that nobody edited bring nothing, and nothing is overwritten. Decisions of
        the page carry ids: those that were taken over before bring nothing, and of several about one image
        the newest counts.

        Args:
            path: The page's JSON lines, or the manifest's CSV.
            reviewer_name: Whose decisions they are, where a row of a manifest does not say; the page's file
                does.

        Returns:
            The rows that could not be taken, each with its reason.

        Raises:
            TableError: If a row cannot be read, or the page is of another dataset; nothing is taken then.
        """
        if is_exported(Path(path)):
            decisions, unknown = linked_decisions(Path(path), self._keys(), dataset=self.dataset_name)
            taken = {event.event_id for event in self.events}
            new = {d.event_id: d for d in decisions if d.event_id not in taken}
            self._record(new.values())
            return unknown
        places = {key: row for row, key in enumerate(self._keys())}
        by_reviewer: dict[str, dict[int, Saying]] = defaultdict(dict)
        left: list[Returned] = []
        for line in read_manifest(Path(path)):
            row = places.get(line.image_path or line.image_id)
            if row is None:
                left.append(Returned(line, "refused", reason="the manifest has no such image"))
                continue
            came = compare(line, self._decided(row), spelled=lambda label: label)
            if came.saying is not None:
                by_reviewer[line.reviewer_name or reviewer_name][row] = came.saying
            elif came.kind in ("conflict", "refused"):
                left.append(came)
        for reviewer, sayings in by_reviewer.items():
            self._decide(sayings, reviewer)
        return left

    def _decide(self, sayings: Mapping[int, Saying], reviewer: str) -> int:
        """Make one event for each image named by its row, and show the result."""
        act = Act(reviewer=check_reviewer(reviewer))
        names = self._keys()
        by_key: dict[str, Saying] = {}
        for row, saying in sayings.items():
            by_key.setdefault(names[row], saying)
        self._record(act.event(n, key, said) for n, (key, said) in enumerate(by_key.items(), start=1))
        return len(by_key)

    def _record(self, events: Iterable[Decision]) -> None:
        """Add events under the manifest's keys, and show the result in its rows."""
        rows: dict[str, list[int]] = defaultdict(list)
        for row, key in enumerate(self._keys()):
            rows[key].append(row)
        suggested = self.tagged_data["vl_suggested_label"].tolist()
        touched: dict[str, None] = {}
        for event in events:
            self.events.append(self._completed(event, suggested[rows[event.key][0]]))
            self._logged[event.key].append(LoggedDecision(len(self.events), self.events[-1], "", ""))
            touched[event.key] = None
        states = fold(entry for key in touched for entry in self._logged[key])
        self._show({row: states[key] for key in touched for row in rows[key]})

    def _completed(self, event: Decision, suggestion: object) -> Decision:
        if event.action != "relabel" or event.new_label is not None or not isinstance(suggestion, str):
            return event
        # A name among whole-number labels would turn the column of labels into texts.
        if not suggestion or (self._has_whole_labels() and not is_canonical_int(suggestion)):
            return event
        return replace(event, new_label=suggestion)

    def _has_whole_labels(self) -> bool:
        return _is_integer_labelled(self.tagged_data["label"])

    def _rows_of(self, image_ids: Iterable[Any]) -> list[int]:
        """Return the rows of some images; warns about ids that the manifest does not have."""
        self._check_manifest()
        wanted = dict.fromkeys(map(str, image_ids))
        found: dict[str, list[int]] = {}
        for row, image_id in enumerate(self.tagged_data["image_id"].tolist()):
            text = str(image_id)
            if text in wanted:
                found.setdefault(text, []).append(row)
        unknown = [image_id for image_id in wanted if image_id not in found]
        if unknown:
            more = f" and {len(unknown) - _WARNED:,} more" if len(unknown) > _WARNED else ""
            text = f"not in the manifest, passed over: {', '.join(unknown[:_WARNED])}{more}"
            warnings.warn(text, stacklevel=3)
        return [row for image_id in wanted for row in found.get(image_id, ())]

    def _check_manifest(self) -> None:
        if not len(self.tagged_data.columns):
            raise UsageError("there is no manifest yet", hint="call create_tagging_manifest() first")

    def _keys(self) -> list[str]:
        """Return what the events call the image of each row: its path, else its id."""
        pairs = zip(
            self.tagged_data["image_path"].tolist(), self.tagged_data["image_id"].tolist(), strict=True
        )
        return [path if isinstance(path, str) and path else str(image_id) for path, image_id in pairs]

    def _decided(self, row: int) -> ManifestDecision:
        return as_decision({name: _cell(self.tagged_data[name].iat[row]) for name in MANIFEST_COLUMNS})

    def _show(self, states: Mapping[int, SubjectState]) -> None:
        """Write the states of some rows into the manifest."""
        rows = list(states)
        is_whole = self._has_whole_labels()
        columns: dict[str, list[Any]] = {
            "user_tags": [",".join(state.tags) for state in states.values()],
            "user_action": [state.action for state in states.values()],
            "reviewer_name": [state.reviewer for state in states.values()],
            "reviewed_at": [state.reviewed_at for state in states.values()],
            "notes": [state.note for state in states.values()],
        }
        labels = self.tagged_data["label"].tolist()
        new = [_outgoing(state, labels[row], is_whole=is_whole) for row, state in states.items()]
        columns["new_label"] = new
        for name, values in columns.items():
            place = self.tagged_data.columns.get_loc(name)
            self.tagged_data[name] = _with_values(self.tagged_data.iloc[:, cast("int", place)], rows, values)

    # ---------------------------------------------------------------------------------------------- files

    def export_manifest(self, output_path: str | Path) -> Path:
        """Write the manifest, and the decisions as events beside it; return the manifest's path.

        A file there that holds decisions of somebody else is kept beside it as ``<name>.before-1.csv``.
        """
        self._check_manifest()
        path = Path(output_path).expanduser()
        if path.exists():
            keep_decided(path, list(self._texts()))
        more = [name for name in self.tagged_data.columns if name not in MANIFEST_COLUMNS]
        write_manifest(path, self._texts(), more=more)
        with atomic_path(events_path(path)) as temporary:
            temporary.write_text("".join(self._event_lines()), encoding="utf-8")
        return path

    def _texts(self) -> Iterator[dict[str, str]]:
        """Stream the manifest as texts."""
        names = [str(name) for name in self.tagged_data.columns]
        columns = (map(_cell, self.tagged_data[name].tolist()) for name in self.tagged_data.columns)
        return (dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True))

    def _event_lines(self) -> Iterator[str]:
        digest = hashlib.sha256(self.vl_export_path.read_bytes()).hexdigest()
        head = {
            "format": EVENTS_FORMAT,
            "version": 1,
            "dataset": self.dataset_name,
            "export": self.vl_export_path.name,
            "export_sha256": digest,
        }
        for fields in (head, *map(asdict, self.events)):
            yield json.dumps(fields, ensure_ascii=False) + "\n"

    def generate_review_html(self, output_path: str | Path, n_per_page: int = 50) -> list[Path]:
        """Write the review page of the flagged images, for a double click; return its files.

        Pictures are inside where the image files are at hand. Above 5,000 images there are numbered files.
        What people decide there comes back by `add_decisions_from`.

        Args:
            output_path: The HTML file. A page of another dataset there is kept: this one's name is added.
            n_per_page: Without effect: the page scrolls through all images. It was how many it showed.
        """
        from chaffinch.pipeline.manifest_page import write_manifest_page
        from chaffinch.pipeline.review_file import review_page

        self._check_manifest()
        return write_manifest_page(
            Path(output_path).expanduser(),
            zip(self._keys(), self._texts(), strict=True),
            findings=image_findings(self.vl_data),
            dataset=self.dataset_name,
            roots=(Path(), self.vl_export_path.parent),
            page=review_page(),
        )


def events_path(manifest: Path) -> Path:
    """Return where the events of a manifest stand: ``<manifest without .csv>.events.jsonl``."""
    return manifest.with_name(f"{manifest.stem}.events.jsonl")


def _adopting(create: Callable[..., pd.DataFrame | None]) -> Callable[..., pd.DataFrame]:
    """Wrap a subclass's `create_tagging_manifest` so that its result becomes the manifest."""

    @functools.wraps(create)
    def adopt(self: VLTaggingWorkflow, *args: Any, **kwargs: Any) -> pd.DataFrame:
        if not len(self.vl_data.columns):
            self.load_vl_export()
        made = create(self, *args, **kwargs)
        self._adopt((self.tagged_data if made is None else made).copy())
        return self.tagged_data

    return adopt


def _is_integer_labelled(labels: pd.Series[Any]) -> bool:
    return len(labels) > 0 and bool(pd.api.types.is_integer_dtype(labels))


def _outgoing(state: SubjectState, given: Any, *, is_whole: bool) -> Any:
    """Return the label that goes out: for whole-number labels always one, else only where it is new."""
    label = state.new_label if state.action == "relabel" else None
    if is_whole:
        return int(label) if label is not None and is_canonical_int(label) else given
    return label or ""


def _with_values(column: pd.Series[Any], rows: Sequence[int], values: Sequence[Any]) -> pd.Series[Any]:
    cells = column.tolist()
    for row, value in zip(rows, values, strict=True):
        cells[row] = value
    return pd.Series(cells, index=column.index)


def _cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)
