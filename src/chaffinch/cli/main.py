"""The command `chaffinch`: parses, calls one library function, prints; turns errors into messages."""

from __future__ import annotations

import errno
import functools
import gc
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

import chaffinch
from chaffinch.cli.apply import apply, verify
from chaffinch.cli.calibrate import calibrate
from chaffinch.cli.clean import clean, status
from chaffinch.cli.decide import audit, tag, tags
from chaffinch.cli.demo import demo
from chaffinch.cli.exports import export_app
from chaffinch.cli.find import find
from chaffinch.cli.imports import import_app
from chaffinch.cli.issues import issues
from chaffinch.cli.leaks import leaks
from chaffinch.cli.models import models_app
from chaffinch.cli.output import hint, remarks_as_json, write_any_name
from chaffinch.cli.policy import policy_app
from chaffinch.cli.resolve import resolve
from chaffinch.cli.review import review
from chaffinch.cli.scan import scan
from chaffinch.cli.tables import table
from chaffinch.cli.team import adjudicate, agreement
from chaffinch.cli.vl import vl
from chaffinch.errors import ChaffinchError
from chaffinch.identity import slug

app = typer.Typer(
    name="chaffinch",
    help="Find what is wrong in an image dataset, and what leaks from train to test. All on this machine.",
    epilog="Start with: chaffinch demo, or chaffinch FOLDER",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
P = ParamSpec("P")

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
GARBAGE_THRESHOLDS = (50_000, 20, 100)
"""Objects made, and collections of each generation, before the next is searched for garbage."""


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"chaffinch {chaffinch.__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Take the options that stand before the verb."""
    remarks_as_json(False)


def report_error(error: BaseException) -> int:
    """Print what went wrong on stderr, never a traceback; returns the exit status."""
    if isinstance(error, ChaffinchError):
        hint(str(error), event="error")
        return error.exit_status
    if isinstance(error, KeyboardInterrupt):
        hint("stopped; what is done is kept: run the same command again to go on", event="error")
        return 130
    if isinstance(error, BrokenPipeError):
        # The reader of stdout has gone, as `head` does: not a fault, and nothing more can be written.
        _drop_output()
        return 0
    if isinstance(error, OSError):
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        hint(f"{where}{error.strerror or error}", event="error")
        if error.errno in FULL_DISK:
            hint("hint: free some space and run the same command again; what is done is kept")
        return 1
    return _report_fault(error)


def _drop_output() -> None:
    """Discard what stdout cannot take, before the interpreter tries in vain as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_fault(error: BaseException) -> int:
    handle, name = tempfile.mkstemp(prefix="chaffinch-fault-", suffix=".txt", text=True)
    with os.fdopen(handle, "w") as file:
        traceback.print_exception(error, file=file)
    hint(f"a fault of this program: {type(error).__name__}: {error}", event="error")
    hint(f"hint: please report it with {Path(name)}, which holds where it happened")
    return 1


def _reporting_interruptions(verb: Callable[P, None]) -> Callable[P, None]:
    """Make a verb say why it stopped early; typer would end the process without a word."""

    @functools.wraps(verb)
    def run_verb(*args: P.args, **options: P.kwargs) -> None:
        try:
            try:
                verb(*args, **options)
            finally:
                # Here, and not as the interpreter ends, it can still be told that nobody reads stdout.
                sys.stdout.flush()
        except (KeyboardInterrupt, BrokenPipeError, EOFError) as error:
            raise typer.Exit(report_error(error)) from error

    return run_verb


VERBS = (
    clean,
    status,
    scan,
    find,
    leaks,
    calibrate,
    issues,
    tag,
    tags,
    review,
    agreement,
    adjudicate,
    resolve,
    apply,
    verify,
    audit,
    table,
    demo,
)
for _verb in VERBS:
    app.command()(_reporting_interruptions(_verb))
for _group in (import_app, export_app, models_app, policy_app, vl):
    app.add_typer(_group)


def run_reporting_errors(command: Callable[[], object]) -> None:
    """Run a command line; exit with its status."""
    write_any_name()
    try:
        command()
    except Exception as error:
        sys.exit(report_error(error))
    except KeyboardInterrupt as error:
        sys.exit(report_error(error))


def with_verb(arguments: list[str]) -> list[str]:
    """Return the arguments of a command line; one that begins with a dataset is a `clean` of it.

    ``chaffinch data/pets`` is ``chaffinch clean data/pets -w pets-workspace``.
    """
    first = arguments[0] if arguments else "-"
    is_source = not first.startswith("-") and ("/" in first or Path(first).exists())
    if not is_source or first in [verb.__name__ for verb in VERBS]:
        return arguments
    if {"-w", "--workspace"} & set(arguments):
        return ["clean", *arguments]
    workspace = f"{slug(Path(first).resolve().name)}-workspace"
    hint(f"the workspace is {workspace} (choose another with -w)")
    return ["clean", *arguments, "-w", workspace]


def run() -> None:
    """Run the command `chaffinch`."""
    # Modules and tables stay to the end: looking for garbage among them cost a sixth of a short run.
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        sys.argv[1:] = with_verb(sys.argv[1:])
        run_reporting_errors(app)
    finally:
        gc.freeze()
