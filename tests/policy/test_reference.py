"""The reference page and the JSON Schema files come from the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from rung.policy.problems import CODES
from rung.policy.reference import generated, main, models, reference_page, schema_files

ROOT = Path(__file__).parents[2]
FIELDS = [
    pytest.param(field, id=f"{model.__name__}.{name}")
    for model in models()
    for name, field in model.model_fields.items()
]


@pytest.mark.parametrize("path", sorted(generated()))
def test_generated_files_are_up_to_date(path: str) -> None:
    """Run ``python -m rung.policy.reference --write`` after a change of the models."""
    assert (ROOT / path).read_text(encoding="utf-8") == generated()[path]


def test_no_schema_file_is_left_over() -> None:
    """A kind that is gone takes its schema along."""
    folder = ROOT / "src/rung/policy/schemas"

    assert {path.name for path in folder.iterdir()} == set(schema_files())


@pytest.mark.parametrize("field", FIELDS)
def test_every_key_is_explained(field: FieldInfo) -> None:
    """The reference page is built from these descriptions."""
    assert field.description
    assert field.description.endswith(".")


def test_every_problem_code_is_explained() -> None:
    """Somebody who reads a code can look it up."""
    page = reference_page()

    assert all(f"| `{code}` |" in page and meaning.endswith(".") for code, meaning in CODES.items())


def test_schemas_refuse_unknown_keys() -> None:
    """An editor underlines what the loader refuses."""
    for text in schema_files().values():
        schema = json.loads(text)
        for mapping in [schema, *schema.get("$defs", {}).values()]:
            for own in mapping.get("anyOf", [mapping]):
                assert own.get("type") != "object" or own["additionalProperties"] is False


def test_writing_mends_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check fails until the files are written, and says which."""
    assert main(["--check", str(tmp_path)]) == 1
    assert "out of date: docs/policy-reference.md" in capsys.readouterr().out
    assert main(["--write", str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
