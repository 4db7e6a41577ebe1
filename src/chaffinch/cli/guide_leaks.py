"""The command line of `train_test_leak_detection.py`: the guide's flags, no workspace to name.

Scans are kept in the user's cache folder, so that the guide's stages (exact first, then perceptual) read the
images once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from chaffinch.cli.main import run_reporting_errors
from chaffinch.settings import METHODS

SHARD_BATCHES = 32
"""Batches in one shard: the images measured between two saves."""

EXAMPLE = """example:
  python train_test_leak_detection.py --dataset imagenet1k --train_dir data/train --test_dir data/val \\
      --output manifests/imagenet1k_leaks_report.csv --methods exact perceptual --phash_threshold 5

Writes the report, <report>_summary.txt, <report>_summary.json and <report>.html (pairs side by side).
Stages with the same --output and folders are collected in one report. What was read is kept in
~/.cache/chaffinch, which can be deleted at any time."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the guide's flags."""
    result = argparse.ArgumentParser(
        prog="train_test_leak_detection.py",
        description="Find images that appear both in a training folder and in a test folder.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--dataset", default="dataset", help="name of the dataset; default: dataset")
    add("--train_dir", required=True, help="folder (or archive, list, parquet) of the training images")
    add("--test_dir", required=True, help="the same for the test or validation images")
    add("--output", type=Path, help="the report; default: <dataset>_leaks_report.csv")
    add("--methods", nargs="+", choices=METHODS, help="default: exact perceptual verified")
    add("--phash_threshold", type=int, default=5, help="largest Hamming distance in bits, 0..16; default: 5")
    add("--semantic_threshold", type=float, help="smallest cosine; default: what fits the embedder")
    add("--embedder", help="makes the vectors that --methods semantic compares; default: chaffinch-s")
    add("--manifest", type=Path, help="spell paths as this tagging manifest does")
    add("--add-to", type=Path, help="tag leaking images train_test_leak and remove in this manifest")
    add("--fail-on-leaks", action="store_true", help="exit with status 3 if there is a leak")
    add("--workers", type=int, default=0, help="threads; default: one per core")
    add("--log-json", action="store_true", help="progress as JSON lines on stderr")
    return result


def main(arguments: Sequence[str] | None = None, *, batch_size: int = 32) -> None:
    """Run the script; exits with its status.

    Args:
        arguments: Without the program's name; None takes those of the process.
        batch_size: A shard holds `SHARD_BATCHES` times as many images; lower takes less memory.
    """
    options = parser().parse_args(arguments)
    run_reporting_errors(lambda: sys.exit(_run(options, batch_size)))


def _run(options: argparse.Namespace, batch_size: int) -> int:
    from chaffinch.cli.leaks import LeakRequest, run_leaks, vectors_for
    from chaffinch.pipeline.leak_report import DEFAULT_METHODS
    from chaffinch.settings import LeakSettings, MeasureSettings, ScanSettings
    from chaffinch.storage.cache import leak_workspace

    settings = LeakSettings(
        methods=tuple(options.methods or DEFAULT_METHODS),
        phash_threshold=options.phash_threshold,
        semantic_threshold=options.semantic_threshold,
        embedder=options.embedder,
    )
    workspace = leak_workspace(options.train_dir, options.test_dir)
    request = LeakRequest(
        workspace=workspace,
        train=options.train_dir,
        test=options.test_dir,
        dataset=options.dataset,
        output=options.output or Path(f"{options.dataset}_leaks_report.csv"),
        manifest=options.manifest,
        add_to=options.add_to,
        fail_on_leaks=options.fail_on_leaks,
        settings=settings,
        scan=ScanSettings(
            measure=MeasureSettings(level="hashes"),
            workers=options.workers,
            embedder=vectors_for(settings, workspace),
            shard_size=max(1, batch_size) * SHARD_BATCHES,
        ),
        log_json=options.log_json,
    )
    return run_leaks(request)
