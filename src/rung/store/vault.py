"""Encryption of what must be kept but not be read in the database: payloads and connection secrets."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from rung.errors import Broken

_FORMAT = b"\x01"
_NONCE = 12


def load_key(file: Path, given: str = "") -> bytes:
    """The installation's 32-byte key: from ``given`` (``RUNG_SECRET_KEY``), else from ``file``, made if absent.

    The file has mode 0600 and belongs beside the data directory, not into a database backup: without the
    key, kept payloads and connection secrets of a restored backup are unreadable, on purpose.

    Raises:
        Broken: the file is not a key, or others may read it, or it cannot be made.
    """
    if given:
        return hashlib.sha256(given.encode()).digest()
    try:
        if not file.exists():
            _make_key(file)
        if file.stat().st_mode & 0o077:
            raise Broken(f"others may read the key {file}; chmod 600 it (and replace it if they did)")
        key = bytes.fromhex(file.read_text("ascii").strip())
    except OSError as error:
        raise Broken(f"the key {file} cannot be used: {error.strerror or error}") from error
    except ValueError:
        raise Broken(f"{file} does not hold a key of 64 hexadecimal digits") from None
    if len(key) != 32:  # noqa: PLR2004 - AES-256
        raise Broken(f"{file} does not hold a key of 64 hexadecimal digits")
    return key


def _make_key(file: Path) -> None:
    """Written whole beside its name, then linked: of two processes that start at once one key wins."""
    half = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_hex(32) + "\n")
    with contextlib.suppress(FileExistsError):
        os.link(half, file)
    half.unlink()


def derived(key: bytes, purpose: str) -> bytes:
    """A key for one purpose only, e.g. the fingerprints of masked secrets."""
    return hmac.digest(key, b"rung:" + purpose.encode(), "sha256")


class Vault:
    """Seals and opens bytes with AES-256-GCM; ``what`` binds a sealed value to its use.

    Args:
        key: the installation's key (``load_key``).
    """

    def __init__(self, key: bytes) -> None:
        self._key = derived(key, "vault")

    def seal(self, plain: bytes, what: str) -> bytes:
        """Encrypted and authenticated; another result each time."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE)
        return _FORMAT + nonce + AESGCM(self._key).encrypt(nonce, plain, what.encode())

    def open(self, sealed: bytes, what: str) -> bytes:
        """The bytes back.

        Raises:
            Broken: sealed with another key, or changed since.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if sealed[:1] == _FORMAT:
            nonce, body = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
            with contextlib.suppress(InvalidTag):
                return AESGCM(self._key).decrypt(nonce, body, what.encode())
        raise Broken(
            "a stored secret cannot be decrypted: the key is not the one it was stored with; "
            "set RUNG_SECRET_KEY or put the old key file back"
        )
