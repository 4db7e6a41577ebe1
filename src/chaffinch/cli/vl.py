"""`chaffinch vl`: upload to Visual Layer, see how far it is, bring an export home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import LogJsonOption, hint, progress_on_stderr, say
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.formats.visual_layer_http import VisualLayerClient
    from chaffinch.pipeline.progress import Progress

vl = typer.Typer(
    name="vl",
    help="""Work with a Visual Layer server: upload, wait, export.

Key and secret come from VL_API_KEY and VL_API_SECRET, or from a file that only you can read.

Examples:

    chaffinch vl upload --name imagenet1k --bucket s3://my-bucket/imagenet

    chaffinch vl export ID --to imagenet1k_vl_export.json
""",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

DatasetId = Annotated[str, typer.Argument(help="Id of the dataset, as in the address of its page.")]
BaseUrlOption = Annotated[
    str | None, typer.Option("--base-url", help="The server. Default: VL_BASE_URL, else the cloud.")
]
CredentialsOption = Annotated[
    Path | None,
    typer.Option("--credentials", help="File with VL_API_KEY=... and VL_API_SECRET=..., mode 600."),
]
PollOption = Annotated[
    float, typer.Option("--poll-interval", min=0.01, help="Longest wait between two looks, in seconds.")
]


@contextmanager
def _connected(
    base_url: str | None, credentials: Path | None, *, log_json: bool
) -> Iterator[tuple[VisualLayerClient, Progress]]:
    from chaffinch.formats.visual_layer_credentials import read_account
    from chaffinch.formats.visual_layer_http import VisualLayerClient

    account = read_account(os.environ, file=credentials, base_url=base_url)
    with (
        progress_on_stderr(as_json=log_json) as progress,
        VisualLayerClient(account, note=progress.note) as client,
    ):
        yield client, progress


@vl.command()
def upload(
    *,
    name: Annotated[str, typer.Option(help="Name of the new dataset.")],
    bucket: Annotated[str, typer.Option(help="Public bucket, or a folder that an on-premises server sees.")],
    base_url: BaseUrlOption = None,
    credentials: CredentialsOption = None,
    log_json: LogJsonOption = False,
) -> None:
    """Make a dataset from a bucket that the server can read; prints the dataset's id.

    Example:

        chaffinch vl upload --name imagenet1k --bucket s3://my-bucket/imagenet
    """
    from chaffinch.formats.visual_layer_api import create_dataset

    with _connected(base_url, credentials, log_json=log_json) as (client, _):
        dataset_id = create_dataset(client, name=name, bucket=bucket)
    say(dataset_id)
    hint(f"next: chaffinch vl status {dataset_id} --wait")


@vl.command()
def status(
    dataset_id: DatasetId,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is READY or has failed.")] = False,
    poll_interval: PollOption = 5.0,
    base_url: BaseUrlOption = None,
    credentials: CredentialsOption = None,
    log_json: LogJsonOption = False,
) -> None:
    """Print how far a dataset is: NEW, ..., INDEXING, READY; fails with the server's text on FATAL_ERROR.

    Example:

        chaffinch vl status 9378d384-c39a-11f0-9df2-d6a6b06514ba --wait
    """
    from chaffinch.formats.visual_layer_api import READY
    from chaffinch.pipeline.visual_layer_tasks import check_dataset, wait_until_ready

    with _connected(base_url, credentials, log_json=log_json) as (client, progress):
        if wait:
            dataset = wait_until_ready(client, dataset_id, poll_interval_s=poll_interval, progress=progress)
        else:
            dataset = check_dataset(client, dataset_id)
    say(dataset.status)
    if dataset.status == READY:
        hint(f"next: chaffinch vl export {dataset_id} --to FILE.json")
    elif dataset.progress is not None:
        hint(f"{dataset.progress:.0f} % done")


@vl.command()
def export(
    dataset_id: DatasetId,
    *,
    to: Annotated[Path, typer.Option("--to", help="The file to write, JSON of schema 1.1.")],
    poll_interval: PollOption = 5.0,
    accept_missing: Annotated[
        bool, typer.Option("--accept-missing", help="Write what could be had though the dataset has more.")
    ] = False,
    base_url: BaseUrlOption = None,
    credentials: CredentialsOption = None,
    log_json: LogJsonOption = False,
) -> None:
    """Bring everything that Visual Layer found home, in one file, whatever the server's cap on exports.

    Stopped or killed, it goes on where it was when it is started again.

    Example:

        chaffinch vl export 9378d384-c39a-11f0-9df2-d6a6b06514ba --to imagenet1k_vl_export.json
    """
    from chaffinch.pipeline.visual_layer_export import ExportOptions, export_dataset

    options = ExportOptions(poll_interval_s=poll_interval, accept_missing=accept_missing)
    with _connected(base_url, credentials, log_json=log_json) as (client, progress):
        summary = export_dataset(client, dataset_id, to, options=options, progress=progress)
    parts = f" in {summary.n_parts:,} parts" if summary.n_parts > 1 else ""
    say(f"{to}: {counted(summary.n_items, 'media item')}{parts}")
    hint(f"next: chaffinch import visual-layer {to} -w WS")
