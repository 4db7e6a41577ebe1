"""`chaffinch review`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chaffinch.cli.output import WorkspaceOption, hint, say
from chaffinch.cli.resolve import AdjudicatorOption
from chaffinch.report.visible_text import counted


def review(
    *,
    workspace: WorkspaceOption,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    reviewer: Annotated[
        list[str] | None, typer.Option(help="Gets a link with a token, the same at every start; repeatable.")
    ] = None,
    has_new_links: Annotated[
        bool, typer.Option("--new-links", help="Give all reviewers new links; the old ones end.")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Further name of this host; https://NAME behind a proxy with TLS; repeatable."),
    ] = None,
    is_open: Annotated[
        bool,
        typer.Option("--open/--no-open", help="Open the page in the browser; never with --reviewer."),
    ] = True,
    is_blind: Annotated[
        bool, typer.Option("--blind/--not-blind", help="Show others' verdicts only after one's own.")
    ] = True,
    overlap: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the images that get several reviewers (0.1); remembered."),
    ] = None,
    overlap_reviewers: Annotated[
        int | None, typer.Option(min=2, max=255, help="How many reviewers those get (2); remembered.")
    ] = None,
    gold: Annotated[
        Path | None,
        typer.Option(help="CSV of images whose right verdict is known, shown among the others; remembered."),
    ] = None,
    adjudicator: AdjudicatorOption = None,
    static: Annotated[
        Path | None, typer.Option(help="Write the page with its pictures into this file instead.")
    ] = None,
    collect: Annotated[
        list[Path] | None, typer.Option(help="Bring decisions exported from such a page back; repeatable.")
    ] = None,
) -> None:
    """Review the findings in a browser: decisions are saved one by one, by as many people as you like.

    On this machine alone by default; on another address each reviewer gets a link with a token.

    Examples:

        chaffinch review -w ws

        chaffinch review -w ws --host 0.0.0.0 --port 8080 --reviewer Kushagra --reviewer Saeed

        chaffinch review -w ws --port 8080 --name https://review.lab.org --reviewer Saeed

        chaffinch review -w ws --overlap 0.2

        chaffinch review -w ws --gold gold.csv --adjudicator Guy

        chaffinch review -w ws --static review_interface.html

        chaffinch review -w ws --collect imagenet1k_decisions_Saeed.jsonl
    """
    if static is not None:
        _write_static(workspace, static)
    elif collect:
        _collect(workspace, collect)
    else:
        _remember(workspace, overlap, overlap_reviewers)
        _remember_who_judges(workspace, gold, adjudicator)
        if has_new_links:
            _renew_links(workspace)
        _serve(
            workspace,
            host=host,
            port=port,
            reviewers=reviewer or [],
            names=name or [],
            is_blind=is_blind,
            is_open=is_open,
        )


def _remember(workspace: Path, overlap: float | None, reviewers: int | None) -> None:
    from chaffinch.pipeline.review_choices import choose_sharing

    sharing = choose_sharing(workspace, overlap=overlap, reviewers=reviewers)
    hint(f"{sharing.reviewers} reviewers for {sharing.share:.0%} of the images, one for the others")


def _remember_who_judges(workspace: Path, gold: Path | None, adjudicators: list[str] | None) -> None:
    from chaffinch.curate.gold import remember_gold
    from chaffinch.pipeline.resolve_choices import chosen, remember

    if gold is not None:
        hint(f"{counted(len(remember_gold(workspace, gold)), 'gold item')}")
    if adjudicators:
        remember(workspace, chosen(workspace, leak_side=None, adjudicators=adjudicators))


def _renew_links(workspace: Path) -> None:
    from chaffinch.serve.links import renew_links

    renew_links(workspace)


def _serve(
    workspace: Path,
    *,
    host: str,
    port: int,
    reviewers: list[str],
    names: list[str],
    is_blind: bool,
    is_open: bool,
) -> None:
    from chaffinch.serve.run import review_server

    ready = review_server(
        workspace, host=host, port=port, reviewers=reviewers, names=names, is_blind=is_blind
    )
    say(f"reviewing at {ready.address}")
    for name, link in ready.links.items():
        say(f"  {name}: {link}")
    if ready.plain is not None:
        hint(f"where that name is not known, {ready.plain} stands for {ready.address}")
    hint("stop it with Ctrl+C; every decision is saved as it is made")
    # A reviewer's link lets in as that reviewer, so none is opened for who started the server.
    if is_open and not ready.links:
        import webbrowser

        webbrowser.open(ready.address)
    ready.server.run()


def _write_static(workspace: Path, path: Path) -> None:
    from chaffinch.pipeline.review_file import review_page, write_review_file

    for file, n_images in write_review_file(workspace, path, page=review_page()):
        say(f"{file}: {counted(n_images, 'image')}")
    hint(f"open it by a double click; then: chaffinch review -w {workspace} --collect FILE")


def _collect(workspace: Path, files: list[Path]) -> None:
    from chaffinch.pipeline.collect import collect_decisions

    for file in files:
        found = collect_decisions(workspace, file)
        say(f"{file}: {counted(found.saved, 'decision')} saved, {found.already_there:,} there already")
        if found.n_ahead:
            hint(f"{file}: {counted(found.n_ahead, 'decision')} dated later than now; taken as made now")
        for key in found.unattached[:5]:
            say(f"  about no image of this workspace: {key}")
        if len(found.unattached) > 5:
            say(f"  and {len(found.unattached) - 5:,} more")
        for words in found.left[:20]:
            hint(f"{file} {words}: not saved")
        if len(found.left) > 20:
            hint(f"and {len(found.left) - 20:,} more")
