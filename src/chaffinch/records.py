"""The records that rooms hand to each other.

`formats` makes `SampleRef`s and bytes, `compute` turns the bytes into a `Measurement`, `storage` keeps both.
Records are frozen; a field that does not apply is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from posixpath import splitext
from typing import Literal

import numpy as np

from chaffinch.taxonomy import Action

Outcome = Literal["ok", "missing", "broken", "skipped"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "missing", "broken", "skipped")

ORIENTATIONS = (
    "identity",
    "flip_horizontal",
    "flip_vertical",
    "rotate_180",
    "transpose",
    "rotate_90",
    "rotate_270",
    "transverse",
)
"""The eight ways to lay a picture, in the order of `phash_d4`; the names are those of Pillow's
`Image.Transpose` (rotations are counter-clockwise), with `flip_horizontal` = FLIP_LEFT_RIGHT and
`flip_vertical` = FLIP_TOP_BOTTOM."""


@dataclass(frozen=True, slots=True)
class SampleRef:
    """One image that a source offers, before its bytes are read."""

    split: str
    """Name of the split: train, val, ... or `all`."""
    rel_path: str
    """Path below the split's root, '/' between parts, spelled by `identity.path_text`."""
    image_path: str
    """The same image as the user would write it: the folder as given, joined with `rel_path`."""
    uri: str
    """Absolute path or fsspec URL of the file that holds the bytes, spelled by `identity.path_text`."""
    member: str
    """Where in that file: '' for a plain image file, else as the source's reader spells it."""
    given_label: str | None
    """Label as the source writes it; None where it has none."""
    source_id: str | None
    """The source's own id of the image as written there; None where it has none."""
    size_bytes: int
    """Size of the encoded image; -1 where only reading would tell."""
    stamp: str
    """Changes whenever the bytes may have changed (size, modification time, offset, etag)."""

    @property
    def suffix(self) -> str:
        """Ending of the image's file name, lower case with the dot; '' without one."""
        # A path object would take ten times as long, which counts at a million images.
        return splitext(self.member or self.rel_path)[1].lower()


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One annotated box of an image."""

    split: str
    """Split of the image."""
    rel_path: str
    """`rel_path` of the image."""
    annotation_id: str
    """Id as written in the annotation file."""
    given_label: str
    """Class name of the box."""
    bbox_xywh: tuple[float, float, float, float]
    """Left, top, width, height in pixels of the original image."""


@dataclass(frozen=True, slots=True)
class ClassEntry:
    """One row of the class table."""

    index: int
    """Position, 0-based; what an integer label means."""
    class_id: str
    """The dataset's own id: wnid, category id, folder name."""
    name: str
    """What people read."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of one image, or why there are none."""

    ref: SampleRef
    """The image asked for."""
    data: bytes | None
    """Encoded image; None where it could not be read."""
    outcome: Outcome
    """`ok` when `data` is there, else `missing` (not there), `broken` (there, but unreadable) or `skipped`
    (too large to be read)."""
    error: str | None
    """Why there are no bytes."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Quality numbers of one decoded image; luma is ITU-R 601 on 0..1."""

    brightness_mean: float
    """Mean luma, 0..1."""
    brightness_p5: float
    """5th percentile of luma, 0..1: high means that nothing is dark (overexposed)."""
    brightness_p50: float
    """Median luma, 0..1."""
    brightness_p95: float
    """95th percentile of luma, 0..1: low means that nothing is bright (underexposed)."""
    contrast: float
    """Standard deviation of luma, 0..0.5."""
    saturation: float
    """Mean of (max - min) over the colour channels, 0..1; 0 is gray."""
    clipped_share: float
    """Share of pixels of which one channel is at its end but not all, 0..1: what overexposure does to colours
    and a white ground does not have. 0 for a gray image."""
    entropy_bits: float
    """Shannon entropy of the luma histogram, 0..8 bits; low means little information."""
    sharpness: float
    """Variance of the Laplacian of luma (0..255 scale) over the whole image; low means blurry."""
    sharpness_tile: float
    """High percentile over tiles of second differences squared by local contrast squared, in the blurriest of
    four directions; a sharp subject before a soft background scores high. Low means blurry everywhere, or
    moved. Taken after halving a large picture, see `compute.sharpness`."""
    detail_half: float
    """How much detail there is against the same picture at half its size, in the blurriest of four
    directions: about 1 for a sharp picture, near 0 for one that is blurry or was enlarged."""
    detail_quarter: float
    """The same against a quarter of its size, which a strong blur shows more clearly."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What one decode of an image yields; fields are None where the outcome is not `ok`."""

    outcome: Outcome
    """ok, missing, broken or skipped."""
    error: str | None = None
    """A text for every outcome but `ok`."""
    size_bytes: int | None = None
    """Size of the encoded image, bytes."""
    width: int | None = None
    """Pixels, before any EXIF rotation."""
    height: int | None = None
    """Pixels, before any EXIF rotation."""
    format: str | None = None
    """Pillow's name of the container: JPEG, PNG, ..."""
    mode: str | None = None
    """Pillow's mode: RGB, L, P, CMYK, ..."""
    bytes_digest: str | None = None
    """BLAKE3 of the encoded bytes, 128 bits as hex; there for every image whose bytes were read."""
    pixels_digest: str | None = None
    """BLAKE3 of mode, width, height and decoded pixels, 128 bits as hex."""
    phash: int | None = None
    """64-bit pHash, equal to `int(str(imagehash.phash(img)), 16)`."""
    phash_d4: np.ndarray | None = None
    """Shape (8,), uint64: pHash of the eight `ORIENTATIONS`; the first equals `phash`."""
    micro: bytes | None = None
    """16 x 16 RGB by area average, row by row, 768 bytes; None when the scan was asked for hashes alone."""
    quality: Quality | None = None
    """Quality numbers; None when the scan was asked for hashes alone."""
    jpeg_quality: int | None = None
    """Quality setting of the encoder estimated from the quantisation tables, 1..100; None for others."""
    thumbnail: bytes | None = None
    """JPEG, longer side about 160 px; None when the scan was asked for hashes alone."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a model hub."""

    repo: str
    """``owner/name``."""
    path: str
    """Path in the repository."""
    revision: str
    """Commit, or the name of a branch or tag."""
    sha256: str | None = None
    """Digest that it must have; None takes the hub's word."""


LEAK_TYPES = {
    "exact": "exact_duplicate",
    "perceptual": "near_duplicate",
    "verified": "near_duplicate",
    "semantic": "semantic_duplicate",
}
"""Method that found a pair, cheapest first, to the `leak_type` it claims."""


@dataclass(frozen=True, slots=True)
class LeakPair:
    """One row of the leak report: a train image and a test image that one method holds for the same."""

    train_image: str
    """Train image as the user's manifest spells it, else as `SampleRef.image_path`."""
    test_image: str
    """Test image, spelled likewise."""
    method: str
    """exact, perceptual, verified or semantic."""
    similarity: float
    """0..1, higher is closer: 1.0 (exact), 1 - hamming_distance / 64, correlation, cosine."""
    leak_type: str
    """What `LEAK_TYPES` says of the method."""
    hamming_distance: int | None
    """Bits of 64, lower is closer; None where the method compares no hashes."""
    transform: str
    """One of `ORIENTATIONS` or the verifier's word, how the test image comes out of the train image; ''
    where the method does not tell."""
    train_label: str | None
    """Given label of the train image; None where it has none."""
    test_label: str | None
    """Given label of the test image; None where it has none."""
    labels_agree: bool | None
    """Whether both labels are the same text; None where one is missing."""
    train_key: str
    """Key of the train image."""
    test_key: str
    """Key of the test image."""
    train_uri: str
    """Absolute path or URL of the file that holds the train image."""
    test_uri: str
    """Absolute path or URL of the file that holds the test image."""


@dataclass(frozen=True, slots=True)
class ExportedIssue:
    """One finding of another tool, turned round to our directions."""

    issue_type: str | None
    """Our singular word; None where `written_type` is none of ours."""
    written_type: str
    """The word in the export."""
    confidence: float | None = None
    """0..1, higher is surer; None where the export states none."""
    suggested_label: str | None = None
    """Label that the tool holds for right, as written."""
    reason: str | None = None
    """The tool's words, unchanged; None where it gives none."""
    group_id: str | None = None
    """Group of duplicates, as written."""
    threshold: float | None = None
    """Similarity at which that group was formed, 0..1, higher is stricter."""
    object_number: int | None = None
    """Position, in `ExportedItem.objects`, of the box that is meant; None for the whole image."""
    place: int = 0
    """Row of the table, or number of the item from 1, for messages."""


@dataclass(frozen=True, slots=True)
class ExportedTag:
    """One tag that a user of another tool gave to an image or a box."""

    name: str
    """As written."""
    assigned: str | None = None
    """When, as written; None where the export does not say."""
    object_number: int | None = None
    """As in `ExportedIssue`."""


@dataclass(frozen=True, slots=True)
class ExportedObject:
    """One labelled box of an exported image."""

    original_id: str | None
    """Id of the annotation as written; None where it has none of its own."""
    label: str
    """Class name."""
    source: str | None
    """Who gave the label: User, Model, ...; None where the export does not say."""
    bbox_xywh: tuple[float, float, float, float]
    """Left, top, width, height in pixels of the original image."""


@dataclass(frozen=True, slots=True)
class ExportedItem:
    """One image, or one row about an image, of another tool's export."""

    item_id: str | None
    """The export's id of the image as written; None where it has none."""
    path: str | None
    """The image's path or name as written; None where it has none."""
    given_label: str | None = None
    """Label that the dataset came with."""
    split: str | None = None
    """Split as the export names it; None where it names none."""
    uniqueness: float | None = None
    """0..1, low where many are alike."""
    cluster_id: str | None = None
    """Cluster of similar images, as written."""
    media_type: str | None = None
    """`image`, `video_frame`, ... as written."""
    is_path_unique: bool = True
    """False where rows with one id may still speak of several images, told apart by their paths."""
    place: int = 0
    """Row of the table, or number of the item from 1, for messages."""
    issues: tuple[ExportedIssue, ...] = ()
    """What was found in it."""
    objects: tuple[ExportedObject, ...] = ()
    """Its boxes."""
    tags: tuple[ExportedTag, ...] = ()
    """What people said of it."""


Subject = Literal["sample", "object", "pair"]
How = Literal["looked", "batch", "audit"]

PERSON, IMPORT, POLICY_PREFIX = "person", "import", "policy:"
"""`Decision.origin` of people, of other tools' files, and what a policy's begins with."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One event of the decision log: what somebody said about one subject. Never changed, only followed."""

    event_id: str
    """Made by whoever decides (`curate.events.new_id`), so that the same event is never kept twice."""
    batch_id: str
    """Shared by all events of one act; what an undo names."""
    key: str
    """Key of the sample or object; of a pair, both keys with a TAB between."""
    reviewer: str
    """Name of the person; of a policy or import, its own name."""
    time_utc: str
    """When it was decided, ISO 8601 with six decimals and Z: texts sort as times do."""
    subject: Subject = "sample"
    """What `key` names."""
    finding_id: str | None = None
    """The finding answered; None speaks of the subject as a whole."""
    content_digest: str | None = None
    """`pixels_digest` of the sample when it was decided, else its `bytes_digest`; by it a decision finds a
    sample that was moved."""
    how: How = "batch"
    """`looked`: at this one; `batch`: many at a time; `audit`: drawn at random within a score band."""
    tags_added: tuple[str, ...] = ()
    """Words of the taxonomy."""
    tags_removed: tuple[str, ...] = ()
    """Words of the taxonomy."""
    action: Action = "none"
    """keep, remove, relabel; none says nothing."""
    new_label: str | None = None
    """Label to give, spelled as the given labels are; None where none was named."""
    note: str = ""
    """The reviewer's own words."""
    undo_of: str | None = None
    """Batch whose event about this subject is taken back; the event then says nothing else."""
    origin: str = PERSON
    """`person`, `import`, or ``policy:NAME@VERSION``."""
    findings: str | None = None
    """Ids of all findings that the subject had when it was decided, comma between: what a decision about the
    subject as a whole answers. '' where there were none; None where nobody noted them."""


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A decision with its place in the log's chain."""

    seq: int
    """1, 2, 3, ... without gaps."""
    decision: Decision
    """What was decided."""
    prev_hash: str
    """`hash` of the event before; 64 zeros for the first; '' where nobody asked for hashes."""
    hash: str
    """SHA-256 over `prev_hash` and everything else of the row, 64 hex digits; '' likewise."""
