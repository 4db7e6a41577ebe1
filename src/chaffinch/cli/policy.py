"""`chaffinch policy apply` and `chaffinch policy show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chaffinch.cli.output import WorkspaceOption, hint, say
from chaffinch.report.visible_text import counted

if TYPE_CHECKING:
    from chaffinch.curate.policy_apply import PolicyPlan
    from chaffinch.storage.decisions import AppendResult

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
    from chaffinch.curate.current import until_current
    from chaffinch.curate.policy import DEFAULT, read_policy
    from chaffinch.curate.policy_apply import apply_policy, plan_policy

    path = DEFAULT if file is None else file

    def planned() -> tuple[PolicyPlan, AppendResult | None]:
        plan = plan_policy(workspace, read_policy(path))
        return plan, None if dry_run else apply_policy(workspace, plan, source=path)

    plan, saved = until_current(planned)
    say(f"policy {plan.policy.name}, version {plan.policy.version}")
    for rule in plan.rules:
        say(f"  {rule.n_samples:>9,}  {rule.words}")
    say(f"{counted(plan.n_samples, 'sample')}, {plan.n_added:,} of them decided anew")
    if plan.n_taken_back:
        say(f"{counted(plan.n_taken_back, 'sample')}: what an earlier run decided is taken back")
    if saved is None:
        hint("nothing was written (--dry-run)")
        return
    say(
        f"saved {counted(saved.saved, 'decision')}"
        if saved.saved
        else "nothing has changed since it was last applied"
    )
    hint(f"next: chaffinch resolve -w {workspace} --to DIR")
