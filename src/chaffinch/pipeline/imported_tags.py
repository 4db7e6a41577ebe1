"""Tags that people gave in another tool become decisions of origin `import`.

One event a tag, so that contradictions stay visible for whoever adjudicates. An event's id follows from what
it says: importing a file again, or scanning again, adds nothing; a sample that a scan found under another key
gets its tags there as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from chaffinch.curate.events import now_utc, spelled_time
from chaffinch.pipeline.imported_findings import ImportedTag
from chaffinch.records import IMPORT, Decision
from chaffinch.storage.decisions import open_log
from chaffinch.taxonomy import TAGS


def log_imported_tags(root: Path, tags: Iterable[ImportedTag]) -> int:
    """Append the tags to the decision log of the workspace at `root`; returns the number that are new.

    Raises:
        WorkspaceError: If the log cannot be written.
    """
    now = now_utc()
    decisions = [_decision(tag, now) for tag in tags]
    return open_log(root).append(decisions).saved if decisions else 0


def _decision(tag: ImportedTag, now: str) -> Decision:
    said = "\0".join((tag.tool, tag.key, tag.tag, tag.assigned or ""))
    digest = hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return Decision(
        event_id=f"{IMPORT}.{digest}",
        batch_id=f"{IMPORT}.{tag.export[:16]}",
        key=tag.key,
        subject="object" if "#" in tag.key else "sample",
        content_digest=tag.content_digest,
        reviewer=tag.tool,
        time_utc=_time(tag.assigned) or now,
        tags_added=(tag.tag,),
        action=TAGS[tag.tag].action or "none",
        note="",
        origin=IMPORT,
    )


def _time(text: str | None) -> str | None:
    """Return a time as `Decision.time_utc` spells it; a time without zone is taken for UTC."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return spelled_time(time)
