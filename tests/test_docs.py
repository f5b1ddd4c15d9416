from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from rung.connectors import load_connectors
from rung.core.compiled import compile_policy
from rung.core.decide import decide_ticket
from rung.errors import Malformed, Unauthenticated
from rung.model import Ticket
from rung.policy.lint import check_folder
from rung.policy.load import load_policy, starter_files
from rung.policy.stories import run_examples
from rung.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[tuple[dict[str, str], str]]:
    """The code blocks of a page in one language, each with the attributes behind the language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for tongue, attributes, code in BLOCK.findall(text):
        if tongue == language:
            found.append((dict(a.split("=", 1) for a in shlex.split(attributes)), code))
    return found


def test_readme_starts_with_the_two_commands() -> None:
    """Whoever opens it sees how to run and how to test it first."""
    first = blocks("README.md", "sh")[0][1].splitlines()

    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]


def test_the_example_of_the_readme_prints_what_it_says() -> None:
    """The Python block runs, and the text block below it is its output."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks("README.md", "python")[0][1], "README.md", "exec"), {})  # noqa: S102 # our own page

    assert printed.getvalue() == blocks("README.md", "text")[0][1]


def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    """As they stand there, in a shell, with the ticket in a file."""
    (tmp_path / "ticket.json").write_text(json.dumps({"id": "T-1", "subject": "Checkout answers HTTP 500"}))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = [
        line[2:] for line in blocks("README.md", "console")[0][1].splitlines() if line.startswith("$ ")
    ]

    outputs = [
        subprocess.run(  # noqa: S602 # our own page
            command, shell=True, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True,
            capture_output=True, text=True,
        ).stdout
        for command in commands
    ]  # fmt: skip

    assert "SSLHandshakeException" in outputs[0]
    assert "Routes tried, in order" in outputs[1]


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_the_yaml_and_json_of_the_docs_are_well_formed(page: str) -> None:
    """An example that cannot be read teaches nothing."""
    for _, code in blocks(f"docs/{page}", "yaml"):
        list(yaml.safe_load_all(code))
    for _, code in blocks(f"docs/{page}", "json"):
        json.loads(code)


def test_the_python_of_the_docs_runs() -> None:
    """Whole blocks, each by itself."""
    for page in (ROOT / "docs").glob("*.md"):
        for _, code in blocks(f"docs/{page.name}", "python"):
            exec(compile(code, page.name, "exec"), {})  # noqa: S102 # our own pages


def test_the_number_of_sample_tickets_in_the_readme_is_right() -> None:
    """At least forty, and the page says how many."""
    from rung.cli.demo import samples

    assert len(samples()) >= 40
    assert f"sends {len(samples())} sample tickets" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def own_policy(tmp_path: Path) -> Path:
    """A copy of the starter policy, as `rung init` writes it."""
    for name, text in starter_files().items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_signature_is_one_yaml_file(own_policy: Path) -> None:
    """What CONTRIBUTING shows, added to a copy of the starter policy, passes its checks and decides."""
    for attributes, code in blocks("CONTRIBUTING.md", "yaml"):
        if "file" in attributes:
            (own_policy / attributes["file"]).write_text(code, encoding="utf-8")
        else:
            target = own_policy / attributes["append"]
            before = f"  - id: {attributes['before']}\n"
            text = target.read_text(encoding="utf-8")
            assert before in text
            target.write_text(text.replace(before, code + before), encoding="utf-8")

    assert [str(p) for p in check_folder(own_policy) if p.error] == []
    policy = load_policy(own_policy)
    assert [str(r) for r in run_examples(policy) if not r.passed] == []
    decision = decide_ticket(
        compile_policy(policy), Ticket("T-1", subject="Label printer does not print", body="since noon")
    )
    assert (decision.signature, decision.team) == ("printer_offline", "devops")


def test_a_connector_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What CONTRIBUTING shows is found by its entry point, verifies and parses."""
    attributes, code = next(b for b in blocks("CONTRIBUTING.md", "python") if "file" in b[0])
    (tmp_path / attributes["file"]).write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    line = blocks("CONTRIBUTING.md", "toml")[0][1].splitlines()[1]
    name, value = (part.strip(' "') for part in line.split("="))

    connectors = load_connectors([EntryPoint(name, value, "rung.connectors")])

    assert connectors.broken == ()
    shoutbox = connectors.loaded["shoutbox"]
    body = json.dumps({"id": 7, "text": "checkout answers 500"}).encode()
    headers = {"x-shoutbox-word": "abc", "x-shoutbox-id": "d-7"}
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert shoutbox.verify(headers, body, secret="abc", now=now) == "d-7"
    assert [a.ticket.id for a in shoutbox.parse(headers, body, settings={})] == ["shout-7"]
    with pytest.raises(Unauthenticated):
        shoutbox.verify(headers, body, secret="abd", now=now)
    with pytest.raises(Malformed):
        shoutbox.parse(headers, b"[]", settings={})


def test_generated_pages_are_fresh() -> None:
    """`make docs` writes them; here they are only compared."""
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))

    for name, text in generate["pages"]().items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"{name} is old: run `make docs`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained(name: str) -> None:
    """The configuration table is made of these descriptions."""
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_linked_page_exists(page: str) -> None:
    """Links to files of the project lead somewhere."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


def test_every_layer_of_the_architecture_page_exists() -> None:
    """The table names real folders and files."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.split("## Layers")[1].split("##")[0]
    for name in re.findall(r"`([\w]+(?:/|\.py))`", table):
        assert (ROOT / "src" / "rung" / name).exists(), name


def test_the_package_has_types() -> None:
    """Users' type checkers see ours."""
    spec = importlib.util.find_spec("rung")
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).with_name("py.typed").exists()
