"""`Workspace`: the Python face of a workspace folder; tables come as pandas DataFrames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chaffinch.storage.folder import WorkspaceFolder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from chaffinch.pipeline.embed import EmbedReport
    from chaffinch.pipeline.scan import ScanReport
    from chaffinch.report.team_tables import TeamTables
    from chaffinch.serve.background import Review


class Workspace:
    """One workspace folder.

    >>> ws = Workspace("ws")                            # doctest: +SKIP
    >>> ws.scan("data/imagenet")                        # doctest: +SKIP
    >>> ws.table("samples").groupby("outcome").size()   # doctest: +SKIP
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def scan(
        self,
        *sources: str | Path,
        dataset: str | None = None,
        images: str | None = None,
        embedder: str | None = None,
    ) -> ScanReport:
        """Bring the workspace in step with its sources; as `chaffinch scan`."""
        from chaffinch.pipeline.embedders import chosen_embedder
        from chaffinch.pipeline.scan import SourceSpec, scan
        from chaffinch.settings import ScanSettings

        spec = SourceSpec(locations=tuple(map(str, sources)), dataset=dataset, images=images)
        return scan(self.root, spec, settings=ScanSettings(embedder=chosen_embedder(self.root, embedder)))

    def embed(
        self,
        embedder: str | Callable[[np.ndarray], np.ndarray],
        *,
        name: str = "own",
        side: int = 224,
        version: str = "",
    ) -> EmbedReport:
        """Give every image that was scanned a vector, without looking for new images.

        Args:
            embedder: What `--embedder` takes; or a function from pictures, shape (B, side, side, 3), uint8
                RGB, to vectors, shape (B, D), floats.
            name: What the vectors of a function are called.
            side: Height and width of the pictures that a function takes, pixels.
            version: Another text makes a function embed all images anew.

        Raises:
            UsageError: If no embedder is called that.
            WorkspaceError: If no scan has ended yet.
        """
        from chaffinch.compute.embedding import embedder_from
        from chaffinch.pipeline.embedders import embed_workspace, open_vector_maker

        if isinstance(embedder, str):
            return embed_workspace(self.root, open_vector_maker(embedder))
        made = embedder_from(embedder, name=name, side=side, version=version)
        return embed_workspace(self.root, made)

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

    def agreement(self) -> TeamTables:
        """Return how the reviewers agree: as `chaffinch agreement` and `chaffinch adjudicate`, as DataFrames.

        Raises:
            WorkspaceError: If this is no workspace.
        """
        from chaffinch.pipeline.team_report import team_report
        from chaffinch.report.team_tables import team_tables

        return team_tables(team_report(self.root))

    def review(self, *, is_blind: bool = True, is_shown: bool | None = None) -> Review:
        """Serve the review page in the background, as `chaffinch review`, on this machine alone.

        In a notebook the page shows as the value of a cell; elsewhere the browser is opened.

        Args:
            is_blind: Whether reviewers see others' verdicts only after their own.
            is_shown: Whether to open the browser; None leaves it to where this runs.

        Returns:
            What has the address as `url`; `close()` stops it, and so does leaving a `with`.

        Raises:
            WorkspaceError: If no scan has ended yet.
        """
        from chaffinch.serve.background import open_review

        return open_review(self.root, is_blind=is_blind, is_shown=is_shown)

    def _repr_html_(self) -> str:
        """Return what `chaffinch status` says as HTML, for a notebook."""
        from chaffinch.pipeline.status import read_status
        from chaffinch.report.workspace_status import status_html

        return status_html(read_status(self.root))

    def __repr__(self) -> str:
        from chaffinch.storage.vectors import embedder_names

        generation = WorkspaceFolder(self.root).current()
        fields = f"dataset={generation.dataset!r}, n_samples={generation.n_samples}"
        return f"Workspace({str(self.root)!r}, {fields}, embedders={embedder_names(generation)})"
