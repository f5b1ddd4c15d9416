"""`rung token | connect | mode | backup | restore`: what an admin sets by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml

from rung.cli.talk import run_with_store, say, who
from rung.core.wire import time_to_json
from rung.errors import Invalid, Malformed, NotFound
from rung.model import Json, Mode

tokens = typer.Typer(no_args_is_help=True, help="API tokens: create, list, revoke.")


class ModeWord(StrEnum):
    """A ceiling, or none."""

    observe = "observe"
    suggest = "suggest"
    act = "act"
    unset = "unset"


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.add_typer(tokens, name="token")
    app.command("connect")(connect_command)
    app.command("mode")(mode_command)
    app.command("backup")(backup_command)
    app.command("restore")(restore_command)


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str], typer.Option(help="What it may do, e.g. tickets:write; several times for several.")
    ],
    days: Annotated[int, typer.Option(help="Valid for so many days; 0 for ever.")] = 365,
) -> None:
    """Make an API token. It is printed once; only its hash is stored.

    Example: rung token create helpdesk --scope tickets:write --scope tickets:read
    """
    from rung.web.auth import SCOPES

    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise Invalid(f"unknown scope {unknown[0]!r}; known: {', '.join(sorted(SCOPES))}")
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    token, secret = run_with_store(lambda store: store.create_token(name, scope, expires_at=expires_at))
    say(
        f"token {token.id} ({name}), valid until {time_to_json(expires_at) or 'revoked'}; it is shown this once:"
    )
    sys.stdout.write(secret + "\n")


@tokens.command("list")
def list_tokens() -> None:
    """List the tokens with their scopes; never a secret.

    Example: rung token list
    """
    for token in run_with_store(lambda store: store.tokens()):
        state = "revoked" if token.revoked_at else f"until {time_to_json(token.expires_at) or 'revoked'}"
        sys.stdout.write(
            f"{token.id}  {token.name}  {' '.join(token.scopes)}  {state}  used {token.last_used}\n"
        )


@tokens.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="The token's id, see `rung token list`.")],
) -> None:
    """End a token within seconds.

    Example: rung token revoke 0a1b2c3d4e5f
    """
    run_with_store(lambda store: store.revoke_token(token_id))
    say(f"revoked {token_id}")


def connect_command(
    connector: Annotated[str, typer.Argument(help="An installed connector, e.g. zendesk.")],
    secret_env: Annotated[
        str,
        typer.Option(help="Environment variable with the webhook's signing secret; empty keeps the old one."),
    ] = "",
    settings: Annotated[
        Path | None, typer.Option(help="YAML file with the connector's settings.", show_default=False)
    ] = None,
) -> None:
    """Set a connector up: the secret that signs its webhooks (stored encrypted) and its settings.

    Example: ZENDESK_SECRET=… rung connect zendesk --secret-env ZENDESK_SECRET --settings zendesk.yaml
    """
    from rung.connectors import load_connectors

    known = load_connectors().loaded
    if connector not in known:
        raise NotFound(f"no connector {connector!r} is installed; known: {', '.join(sorted(known))}")
    secret = os.environ.get(secret_env) if secret_env else None
    if secret_env and not secret:
        raise Invalid(f"the environment variable {secret_env} is empty; put the secret there")
    values = _yaml(settings) if settings else {}
    run_with_store(lambda store: store.set_connection(connector, values, secret=secret))
    say(f"connected {connector}; its webhooks come in at /hooks/{connector}")


def _yaml(file: Path) -> dict[str, Json]:
    try:
        value = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Malformed(f"cannot be read: {error}", where=str(file)) from error
    if not isinstance(value, dict):
        raise Malformed("expected a mapping of settings", where=str(file))
    return value


def mode_command(
    mode: Annotated[ModeWord, typer.Argument(help="How far Rung may go; unset removes the switch.")],
    scope: Annotated[str, typer.Argument(help="Empty for everything, connector:NAME or signature:ID.")] = "",
) -> None:
    """Set how far Rung may go, at once: everything, one connector or one signature. The policy may say less.

    Example: rung mode suggest signature:tls_certificate
    """
    ceilings: dict[ModeWord, Mode | None] = {
        ModeWord.observe: "observe", ModeWord.suggest: "suggest", ModeWord.act: "act", ModeWord.unset: None,
    }  # fmt: skip
    run_with_store(lambda store: store.set_mode(scope, ceilings[mode], author=who()))
    say(f"{scope or 'everything'}: {mode.value}")


def backup_command(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
) -> None:
    """Write the whole database to one file. Keep the key file (RUNG_DATA_DIR/key) apart from it.

    Example: rung backup rung-2026-11-22.dump
    """
    from rung.app import back_up_to
    from rung.settings import Settings

    asyncio.run(back_up_to(Settings(), file))
    say(f"wrote {file}; kept payloads and secrets in it need the key of this installation")


def restore_command(
    file: Annotated[Path, typer.Argument(help="A file written by `rung backup`.")],
) -> None:
    """Read a backup into an empty database; a database that holds anything is refused.

    Example: RUNG_DATA_DIR=/srv/rung-new rung restore rung-2026-11-22.dump
    """
    from rung.app import restore_from
    from rung.settings import Settings

    asyncio.run(restore_from(Settings(), file))
    say(f"restored {file}")
