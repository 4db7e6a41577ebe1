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

    def __repr__(self) -> str:
        from chaffinch.storage.vectors import embedder_names

        generation = WorkspaceFolder(self.root).current()
        fields = f"dataset={generation.dataset!r}, n_samples={generation.n_samples}"
        return f"Workspace({str(self.root)!r}, {fields}, embedders={embedder_names(generation)})"
