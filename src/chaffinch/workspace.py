"""`Workspace`: the Python face of a workspace folder; tables come as pandas DataFrames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chaffinch.storage.folder import WorkspaceFolder

if TYPE_CHECKING:
    import pandas as pd

    from chaffinch.pipeline.scan import ScanReport


class Workspace:
    """One workspace folder.

    >>> ws = Workspace("ws")                            # doctest: +SKIP
    >>> ws.scan("data/imagenet")                        # doctest: +SKIP
    >>> ws.table("samples").groupby("outcome").size()   # doctest: +SKIP
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def scan(self, *sources: str | Path, dataset: str | None = None, images: str | None = None) -> ScanReport:
        """Bring the workspace in step with its sources; as `chaffinch scan`."""
        from chaffinch.pipeline.scan import SourceSpec, scan

        spec = SourceSpec(locations=tuple(map(str, sources)), dataset=dataset, images=images)
        return scan(self.root, spec)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table as `chaffinch table` writes it.

        Args:
            name: samples, objects, issues, pairs, classes, confusion or decisions.

        Raises:
            UsageError: If there is no such table.
            WorkspaceError: If no scan has ended yet.
        """
        from chaffinch.storage.export import read_exported

        frame: pd.DataFrame = read_exported(self.root, name).to_pandas()
        return frame

    def __repr__(self) -> str:
        generation = WorkspaceFolder(self.root).current()
        return (
            f"Workspace({str(self.root)!r}, dataset={generation.dataset!r}, n_samples={generation.n_samples})"
        )
