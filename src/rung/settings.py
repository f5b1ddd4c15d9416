"""Configuration: environment variables that start with ``RUNG_``; the table in the docs is made of these fields."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from rung.store.embedded import default_data_dir


class Settings(BaseSettings):
    """Everything an operator can set from outside; all of it has a default that works on one machine."""

    model_config = SettingsConfigDict(env_prefix="RUNG_", extra="ignore", frozen=True)

    database_url: Annotated[
        str,
        Field(
            description="PostgreSQL URL of the application. Empty: the embedded server in the data folder."
        ),
    ] = ""
    database_admin_url: Annotated[
        str,
        Field(
            description="PostgreSQL URL of the schema's owner, used for migrations only. Empty: the same as "
            "the application's."
        ),
    ] = ""
    data_dir: Annotated[
        Path,
        Field(
            description="Folder of the embedded database and of the key file. Default: /var/lib/rung for root, "
            "else ~/.local/share/rung.",
        ),
    ] = default_data_dir()
    secret_key: Annotated[
        SecretStr,
        Field(
            description="Key for kept payloads, connection secrets and fingerprints, as 64 hexadecimal digits. "
            "Empty: made once and kept in the data folder, readable by its owner only. Must be the same for all "
            "processes on one database."
        ),
    ] = SecretStr("")
    host: Annotated[
        str,
        Field(
            description="Address that `rung serve` listens on. Pages answer loopback clients only, whatever is "
            "set here."
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port; 0 takes a free one.")] = 8787
    pool_size: Annotated[
        int, Field(ge=2, le=100, description="Database connections of one process, at most.")
    ] = 8
    worker: Annotated[
        bool, Field(description="Whether `rung serve` also runs the worker in its process.")
    ] = True
    log_format: Annotated[
        Literal["console", "json"], Field(description="How log lines are written to standard error.")
    ] = "console"


def configuration_table() -> str:
    """The Markdown table of every environment variable, for the docs."""
    rows = ["| variable | default | what |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if isinstance(default, SecretStr | Path) else default
        rows.append(f"| `RUNG_{name.upper()}` | `{shown}` | {field.description} |".replace("``", ""))
    return "\n".join(rows) + "\n"
