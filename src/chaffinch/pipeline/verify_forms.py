"""The pictures of a release, scanned anew: what `verify` searches and holds against the release's own tables.

| the release holds | scanned |
|---|---|
| a folder of pictures | `images/` |
| Hugging Face shards | `data/` |
| lists of files | the files that they name |
| lists for training scripts alone | the source that was cleaned, less what they remove |

Each picture is told by what the form itself says: its path, the key in its row, its place in the source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from chaffinch.apply.artifacts import ReleaseRecord
from chaffinch.apply.copies import IMAGES, ReleasedPicture, class_folder
from chaffinch.apply.file_lists import file_list_path, read_file_list
from chaffinch.apply.hf_shards import DATA, hf_split_names
from chaffinch.errors import TableError
from chaffinch.formats.location import absolute_uri
from chaffinch.formats.shards import find_shards
from chaffinch.identity import path_from_text, path_text, sample_key
from chaffinch.pipeline.progress import Progress
from chaffinch.pipeline.release_plan import FILELIST, FOLDER, HF
from chaffinch.pipeline.scan import SourceSpec, scan
from chaffinch.settings import ScanSettings
from chaffinch.storage.folder import Generation, WorkspaceFolder

SOURCE = "source"
"""The form of a release that holds lists alone."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release that is being checked."""

    folder: Path
    """Where it is."""
    record: ReleaseRecord
    """What it says about itself."""
    pictures: Mapping[str, ReleasedPicture]
    """What its table says of each picture, by key."""
    removed: frozenset[str]
    """Keys of the images that its manifest removes."""

    def forms(self) -> list[str]:
        """Return the forms in which it has its pictures."""
        forms = [name for name in (FOLDER, HF, FILELIST) if name in self.record.contents]
        return forms or [SOURCE]


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture as a form shows it."""

    name: str
    """What to call it: path below the release, else the path of its file."""
    split: str
    """Split of the dataset in which it stands."""
    picture: ReleasedPicture | None
    """What the release's table says of it; None where it knows none."""
    is_there: bool
    """Whether its bytes could be read."""
    bytes_digest: str
    """Of what is there; ''  where nothing is."""


@dataclass(frozen=True, slots=True, eq=False)
class ScannedForm:
    """One form of a release, scanned anew. N samples."""

    name: str
    """folder, hf, filelist or source."""
    workspace: WorkspaceFolder
    """Where it was scanned to."""
    generation: Generation
    """The scan."""
    shown: list[Shown]
    """By sample id."""
    is_left: np.ndarray
    """Shape (N,), bool: belongs to what is left; of a source, what the lists remove does not."""

    def side(self, between: tuple[str, str]) -> np.ndarray | None:
        """Return shape (N,), int8: 0 in the first split, 1 in the second, else -1; None if one is empty."""
        splits = np.array([one.split for one in self.shown], dtype=object)
        side = np.full(len(splits), -1, dtype=np.int8)
        for number, name in enumerate(between):
            side[(splits == name) & self.is_left] = number
        return side if {0, 1} <= set(side.tolist()) else None


@dataclass(frozen=True, slots=True)
class _Form:
    """How to scan a form, and how its samples are told."""

    spec: SourceSpec
    keys: Mapping[str, str] | None
    """Key of each sample by the scan's own key, or by its uri; None: they are the same."""
    splits: Mapping[str, str]
    """Split of the dataset by the name that the form gives it."""
    is_by_uri: bool = False


def scan_form(
    release: Release,
    name: str,
    place: Path,
    *,
    settings: ScanSettings,
    embedders: Sequence[str],
    progress: Progress,
) -> ScannedForm | None:
    """Scan one form of a release into a workspace of its own; None where it holds no picture.

    Args:
        release: The release.
        name: One of its `forms`.
        place: The new workspace.
        settings: How to scan.
        embedders: What makes the vectors to compare, as `--embedder` takes it; the first in the same pass.
        progress: Who watches.

    Raises:
        SourceError: If it cannot be read as what it should be.
    """
    form = _FORMS[name](release)
    if form is None:
        return None
    for embedder in embedders or (None,):
        scan(place, form.spec, settings=replace(settings, embedder=embedder), progress=progress)
    workspace = WorkspaceFolder(place)
    generation = workspace.published()
    rows = list(_rows(workspace, generation, release, form))
    is_left = np.array([left for _, left in rows], dtype=bool)
    return ScannedForm(name, workspace, generation, [shown for shown, _ in rows], is_left)


def _rows(
    workspace: WorkspaceFolder, generation: Generation, release: Release, form: _Form
) -> Iterator[tuple[Shown, bool]]:
    """Yield each sample as it is shown, and whether it is among what is left."""
    columns = ["key", "split", "image_path", "uri", "bytes_digest"]
    is_source = release.forms() == [SOURCE]
    prefix = f"{path_text(str(release.folder))}/"
    for batch in workspace.batches(generation, "samples", columns=columns):
        for row in batch.to_pylist():
            told = row["uri"] if form.is_by_uri else row["key"]
            key = told if form.keys is None else form.keys.get(told)
            picture = None if key is None else release.pictures.get(key)
            digest = row["bytes_digest"] or ""
            shown = Shown(
                row["image_path"].removeprefix(prefix),
                form.splits.get(row["split"], row["split"]),
                picture,
                bool(digest),
                digest,
            )
            is_removed = is_source and _is_removed(release, key)
            yield shown, not is_removed


def _is_removed(release: Release, key: str | None) -> bool:
    """Tell whether an image of the source is none of what is left: removed, or absent already then."""
    return key not in release.pictures and (key in release.removed or key in release.record.absent)


def _folder(release: Release) -> _Form | None:
    images = release.folder / IMAGES
    folders = sorted(images.iterdir()) if images.is_dir() else []
    places = {f.name: str(f) for f in folders if any(p.is_file() for p in f.rglob("*"))}
    if not places:
        return None
    keys = {p.path.removeprefix(f"{IMAGES}/"): p.key for p in release.pictures.values()}
    splits = {class_folder(split): split for split in release.record.splits}
    return _Form(SourceSpec(splits=places, dataset="release"), keys, splits)


def _hf(release: Release) -> _Form | None:
    data = release.folder / DATA
    shards = find_shards(str(data), suffix=".parquet") if data.is_dir() else []
    if not shards:
        return None
    keys: dict[str, str] = {}
    n_rows: dict[str, int] = defaultdict(int)
    for shard in shards:
        for key in _shard_keys(Path(shard.location)):
            keys[sample_key(shard.split, str(n_rows[shard.split]))] = key
            n_rows[shard.split] += 1
    names = {name: split for split, name in hf_split_names(release.record.splits).items()}
    return _Form(SourceSpec(locations=(str(data),), dataset="release"), keys, names)


def _shard_keys(path: Path) -> list[str]:
    with pq.ParquetFile(path) as file:
        if "key" not in file.schema_arrow.names:
            raise TableError("has no column of keys", path=str(path))
        return [str(key) for key in file.read(columns=["key"]).column("key").to_pylist()]


def _filelist(release: Release) -> _Form | None:
    places: dict[str, str] = {}
    keys: dict[str, str] = {}
    for split in release.record.splits:
        path = file_list_path(release.folder, release.record.dataset, split)
        listed = read_file_list(path) if path.is_file() else ()
        rows = {absolute_uri(row["path"]): row["key"] for row in listed}
        if rows:
            places[split] = str(path)
            keys |= rows
    if not places:
        return None
    return _Form(SourceSpec(splits=places, dataset="release"), keys, {}, is_by_uri=True)


def _source(release: Release) -> _Form:
    source = release.record.source
    spec = SourceSpec(
        locations=tuple(map(path_from_text, source.locations)),
        splits={split: path_from_text(place) for split, place in source.splits.items()},
        dataset=release.record.dataset,
        images=source.images and path_from_text(source.images),
    )
    return _Form(spec, None, {})


_FORMS = {FOLDER: _folder, HF: _hf, FILELIST: _filelist, SOURCE: _source}
