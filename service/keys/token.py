"""Token: the text of an API key. Whoever has it is let in; the service keeps a hash of it alone."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from service.ids import new_id

PREFIX = "key"
_SECRET_BYTES = 32
_TOKEN = re.compile(r"bespoke_([0-9a-z]{26})_([A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a key lets its holder do."""

    READ = "read"
    DESIGN = "design"
    TRAIN = "train"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Token:
    """A key's id and its secret.

    The secret has 256 random bits: a plain SHA-256 of it cannot be guessed, and is quick to check.
    """

    key_id: str
    secret: str

    @classmethod
    def new(cls) -> Token:
        """A fresh one."""
        return cls(key_id=new_id(PREFIX), secret=secrets.token_urlsafe(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Token | None:
        """The token that a text is, or None."""
        found = _TOKEN.fullmatch(text)
        return cls(key_id=f"{PREFIX}_{found[1]}", secret=found[2]) if found else None

    @property
    def text(self) -> str:
        """As the holder gives it: `bespoke_<id>_<secret>`."""
        return f"bespoke_{self.key_id.removeprefix(f'{PREFIX}_')}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        """SHA-256 of the secret."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def matches(self, secret_hash: str) -> bool:
        """Whether this is the secret of that hash; takes the same time either way."""
        return hmac.compare_digest(self.secret_hash, secret_hash)
