"""The command line: one file per command group; parse, call, print.

Machine output goes to stdout, talk to stderr. Exit codes: 0 done; 1 the input or policy has problems (they are
printed); 2 the command was called wrongly; 3 a service or the database does not answer, try again; 4 the
installation must be mended first.
"""

from __future__ import annotations

import sys

import typer

from rung.cli import admin, decide, demo, policy, server
from rung.errors import Broken, Retryable, RungError

EXIT_CODES = {
    0: "done",
    1: "the input or the policy has problems; they are printed, and what was good is done",
    2: "the command was called wrongly",
    3: "a service or the database does not answer; try again",
    4: "the installation must be mended first; the message says how",
}

app = typer.Typer(
    name="rung",
    help="Escalation path engine: decides who must have a ticket the moment it arrives, and says why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
for group in (policy, decide, server, admin, demo):
    group.register(app)


def main() -> None:
    """Run the command line; every error Rung raises on purpose becomes one clear message and its exit code."""
    try:
        app()
    except RungError as error:
        sys.stderr.write(f"rung: {error}\n")
        sys.exit(4 if isinstance(error, Broken) else 3 if isinstance(error, Retryable) else 1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away; nothing is left to say
