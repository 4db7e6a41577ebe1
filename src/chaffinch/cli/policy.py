"""`chaffinch policy apply` and `chaffinch policy show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chaffinch.cli.output import WorkspaceOption, hint, say

policy_app = typer.Typer(
    name="policy",
    help="Decide by rules that people wrote. Such as: chaffinch policy apply policy.yaml -w ws",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@policy_app.command("show")
def show() -> None:
    """Print the policy that comes with the program, to start one of your own from.

    Example:

        chaffinch policy show > policy.yaml
    """
    from chaffinch.curate.policy import DEFAULT

    say(DEFAULT.read_text(encoding="utf-8").rstrip("\n"))


@policy_app.command("apply")
def apply(
    file: Annotated[
        Path | None, typer.Argument(help="The policy, YAML. Default: the one that 'policy show' prints.")
    ] = None,
    *,
    workspace: WorkspaceOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count; write nothing.")] = False,
) -> None:
    """Write down what a policy decides about the findings of a workspace.

    People's decisions win over a policy's. Applied again, it adds what it selects now, and takes back what it
    no longer does.

    Examples:

        chaffinch policy apply -w ws --dry-run

        chaffinch policy apply policy.yaml -w ws
    """
    from chaffinch.curate.policy import DEFAULT, read_policy
    from chaffinch.curate.policy_apply import apply_policy, plan_policy

    path = DEFAULT if file is None else file
    plan = plan_policy(workspace, read_policy(path))
    say(f"policy {plan.policy.name}, version {plan.policy.version}")
    for rule in plan.rules:
        say(f"  {rule.n_samples:>9,}  {rule.words}")
    say(f"{plan.n_samples:,} samples, {plan.n_added:,} of them decided anew")
    if plan.n_taken_back:
        say(f"{plan.n_taken_back:,} samples: what an earlier run decided is taken back")
    if dry_run:
        hint("nothing was written (--dry-run)")
        return
    saved = apply_policy(workspace, plan, source=path)
    say(
        f"saved {saved.saved:,} decisions" if saved.saved else "nothing has changed since it was last applied"
    )
    hint(f"next: chaffinch resolve -w {workspace} --to DIR")
