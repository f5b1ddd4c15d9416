"""`rung init | check | test | publish | policy log|diff|rollback`: the policy's life from folder to published."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rung.cli.talk import policy_files, progress, run_with_store, say, who
from rung.core.compiled import compile_policy
from rung.core.wire import time_to_json
from rung.errors import Invalid, PolicyInvalid
from rung.policy.bundle import diff
from rung.policy.lint import check_files
from rung.policy.load import load_files
from rung.policy.source import folder_files
from rung.policy.stories import load_stories, run_examples, run_stories

if TYPE_CHECKING:
    from rung.store.postgres import Store
    from rung.store.rows import Page, PolicyMove

Folder = Annotated[
    Path | None, typer.Argument(help="Policy folder; without it the starter policy.", show_default=False)
]
group = typer.Typer(no_args_is_help=True, help="Published versions: log, diff, rollback.")


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command("init")(init_command)
    app.command("check")(check_command)
    app.command("test")(try_policy)
    app.command("publish")(publish_command)
    app.add_typer(group, name="policy")


def init_command(
    folder: Annotated[Path, typer.Argument(help="The folder; it must not hold a policy yet.")] = Path(
        "policy"
    ),
) -> None:
    """Write the starter policy into a folder of your own. Everything in it is in mode observe.

    Example: rung init policy
    """
    files = policy_files(None)
    existing = [name for name in files if (folder / name).exists()]
    if existing:
        raise Invalid(f"{folder}: already holds {existing[0]}; nothing was written. Choose another folder")
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    say(f"wrote {len(files)} files to {folder}; next: rung check {folder}")


def collected_evidence() -> frozenset[str]:
    """The evidence ids that installed collectors and investigators bring."""
    plugins = (*entry_points(group="rung.collectors"), *entry_points(group="rung.investigators"))
    return frozenset(p.name for p in plugins)


def check_command(folder: Folder = None) -> None:
    """Lint a policy: unknown names, shadowed routes, unstaffed levels, bad patterns, rules that make people wait.

    Exit code 1 when there is an error; warnings alone are fine.

    Example: rung check policy
    """
    problems = check_files(policy_files(folder), collected=collected_evidence())
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    errors = sum(p.error for p in problems)
    say(f"{errors} error(s), {len(problems) - errors} warning(s)")
    if errors:
        raise typer.Exit(1)


def try_policy(
    folder: Folder = None,
    stories: Annotated[
        list[Path] | None, typer.Option(help="More folders with story files.", show_default=False)
    ] = None,
) -> None:
    """Run every example and story of a policy and print what differs.

    Example: rung test policy
    """
    passed, failed = _tested(policy_files(folder), stories or [])
    for failure in failed:
        sys.stdout.write(f"{failure}\n")
    say(f"{passed} passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


def _tested(files: Mapping[str, str], more: Sequence[Path]) -> tuple[int, list[str]]:
    """How many examples and stories passed, and the report of each that did not."""
    policy = load_files(files)
    compiled = compile_policy(policy)
    told = load_stories(files)
    for folder in more:
        told.extend(load_stories(folder))
    examples = run_examples(policy, compiled=compiled)
    ran = list(progress(run_stories(policy, told, compiled=compiled), total=len(told), what="stories"))
    failed = [str(e) for e in examples if not e.passed] + [str(r) for r in ran if not r.passed]
    return len(examples) + len(ran) - len(failed), failed


def publish_command(
    folder: Folder = None,
    note: Annotated[str, typer.Option(help="Why; shown in the log.")] = "",
    author: Annotated[str, typer.Option(help="Who publishes.", show_default="you")] = "",
) -> None:
    """Check, test and publish a policy; every process follows it at its next decision.

    Example: rung publish policy --note "Webhooks go to Integrations"
    """
    files = policy_files(folder)
    problems = [p for p in check_files(files, collected=collected_evidence()) if p.error]
    if problems:
        raise PolicyInvalid(problems)
    _, failed = _tested(files, [])
    if failed:
        raise Invalid("nothing was published; these stories or examples differ:\n" + "\n".join(failed))
    version = load_files(files).version
    if run_with_store(lambda store: store.publish(version, files, author=author or who(), note=note)):
        say(f"published {version}")
    else:
        say(f"{version} is published already; nothing changed")


@group.command("log")
def log_command() -> None:
    """List every publish and rollback, newest first; the published version is marked.

    Example: rung policy log
    """

    async def read(store: Store) -> tuple[str, Page[PolicyMove]]:
        return await store.current_policy(), await store.policy_log()

    current, log = run_with_store(read)
    for position, move in enumerate(log.rows):
        mark = "*" if position == 0 and move.version == current else " "
        sys.stdout.write(
            f"{mark} {move.version}  {time_to_json(move.at)}  {move.action}  {move.author}  {move.note}\n"
        )
    if not log.rows:
        say("nothing was published yet: rung publish")


@group.command("diff")
def diff_command(
    before: Annotated[str, typer.Argument(help="A published version, a folder, or `starter`.")],
    after: Annotated[str, typer.Argument(help="The same; without it the published version.")] = "",
) -> None:
    """Show what differs between two policies, readable: routes, triggers, signatures, then the files.

    Example: rung policy diff starter policy
    """
    sys.stdout.write(diff(_named(before), _named(after)))


def _named(name: str) -> Mapping[str, str]:
    """The files of a folder, of the starter policy or of a published version."""
    if name == "starter":
        return policy_files(None)
    if name and Path(name).is_dir():
        return folder_files(Path(name))

    async def read(store: Store) -> Mapping[str, str]:
        return await store.files(name or await store.current_policy())

    return run_with_store(read)


@group.command("rollback")
def rollback_command(
    version: Annotated[str, typer.Argument(help="Where to; without it the version published before.")] = "",
    note: Annotated[str, typer.Option(help="Why; shown in the log.")] = "",
) -> None:
    """Make an earlier version the published one again; every process follows at its next decision.

    Example: rung policy rollback --note "too many suggestions"
    """
    now = run_with_store(lambda store: store.rollback(version or None, author=who(), note=note))
    say(f"published {now}")
