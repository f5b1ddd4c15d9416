"""What goes into the database comes out again; what cannot go in is replaced, never refused."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.core.payload import storable_text as storable
from rung.errors import Broken, Malformed
from rung.store.codec import to_json
from rung.store.vault import Vault, derived, load_key

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
any_text = st.text(alphabet=st.characters(codec=None, exclude_categories=()))


@given(any_text)
def test_storable_text_keeps_its_length(text: str) -> None:
    """Offsets stay; nothing that PostgreSQL refuses is left; what was fine is untouched."""
    kept = storable(text)

    assert len(kept) == len(text)
    assert "\0" not in kept
    kept.encode()
    assert all(b in {a, "\ufffd"} for a, b in zip(text, kept, strict=True))


@given(anything)
def test_any_json_can_be_stored(value: Any) -> None:
    """The result is JSON without NUL; 64-bit values and clean texts come back as they were."""
    text = to_json(value)

    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    orjson.loads(text)


def test_json_that_nests_too_deeply_is_malformed() -> None:
    """It is refused as the sender's mistake, not as ours."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(Malformed):
        to_json(deep)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    """The file has mode 0600; the next start finds the same key; a given key goes first."""
    file = tmp_path / "key"

    made = load_key(file)

    assert load_key(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(file, "given") != made
    assert load_key(tmp_path / "absent", "given") == load_key(file, "given")
    assert not (tmp_path / "absent").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    """So is something that is no key."""
    file = tmp_path / "key"
    load_key(file)
    file.chmod(0o640)
    with pytest.raises(Broken, match="chmod 600"):
        load_key(file)

    file.chmod(0o600)
    for wrong in ("zz", "abcd"):
        file.write_text(wrong)
        with pytest.raises(Broken, match="64 hexadecimal"):
            load_key(file)


@given(st.binary(max_size=200))
def test_sealed_bytes_open_with_the_same_key_and_use_only(plain: bytes) -> None:
    """Another key, another use or a changed bit: Broken."""
    vault = Vault(b"k" * 32)
    sealed = vault.seal(plain, "payload")

    assert vault.open(sealed, "payload") == plain
    for other, changed, what in (
        (Vault(b"x" * 32), sealed, "payload"),
        (vault, sealed, "connection:zendesk"),
        (vault, sealed[:-1] + bytes([sealed[-1] ^ 1]), "payload"),
        (vault, b"", "payload"),
    ):
        with pytest.raises(Broken):
            other.open(changed, what)


def test_derived_keys_differ_by_purpose() -> None:
    """One key for the operator, one per purpose for us."""
    assert derived(b"k" * 32, "a") != derived(b"k" * 32, "b")
