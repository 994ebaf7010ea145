"""Hides the values of keys that sound like secrets, in whatever language a file is written."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from provisioner.model.secret import MASKED

_NAME = (
    r"(?:[\w.$-]{0,40}(?:(?<!no)passw(?:or)?d|passphrase|pwd|token|secret|credential|api_?-?key|access[_-]?key|private[_-]?key)"
    r"[\w.$-]{0,40}|[\w.-]{0,40}[_-]key|key)"
)
_SPACED_NAME = r"[\w-]{0,40}(?:password|passwd|requirepass|masterauth|secret|token|pass)"
_PLAIN = r"(?!(?:yes|no|on|off|true|false|none|null|prompt|ask)\b|/|\*\*\*|\$\{?\w)"
"""What begins a value that tells nothing: a switch, a path, a variable."""
_OF_PAM = r"(?!(?:requisite|required|sufficient|optional|include|substack)\b|[\[=:])"
_BEFORE = r"^[+\- ]?\s*(?:export\s+|-\s+|Environment=[\"']?)?[\"']?"

_WAYS = tuple(
    re.compile(f"(?P<lead>{lead}){value}", re.IGNORECASE | re.MULTILINE)
    for lead, value in (
        (rf"{_BEFORE}{_NAME}[\"']?\s*(?:=>|[=:])\s*[\"']?", rf"{_PLAIN}[^\"',;\n]+"),
        (rf"(?<!\S)--?{_NAME}[ =]", rf"{_PLAIN}(?![=:])\S+"),
        (rf"[\"']?\b{_NAME}[\"']?\s*(?:=>|[=:])\s*[\"']?", rf"{_PLAIN}[^\s\"',;&]+"),
        (rf"^[+\- ]?\s*{_SPACED_NAME}\s+[\"']?", rf"{_PLAIN}{_OF_PAM}[^\s\"';]+"),
        (rf"<{_NAME}(?:\s[^>]*)?>", r"[^<]+"),
        (r"\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]*:", r"[^\s@/]+(?=@)"),
        (r"\b(?:Bearer|Basic)\s+", r"[A-Za-z0-9+/=._-]{8,}"),
    )
)
"""A line of a key and its value, an option, a pair anywhere, words with blanks, XML, an address, an HTTP header."""

_BY_DIGEST = (
    "*/shadow*",
    "*/gshadow*",
    "*.key",
    "*.pem",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.keytab",
    "*.kdbx",
    "*.gpg",
    "*/id_rsa*",
    "*/id_ed25519*",
    "*/id_ecdsa*",
    "*/.htpasswd*",
    "*/htpasswd*",
    "*/.pgpass",
    "*/.netrc",
    "*-secrets",
    "*/secrets/*",
    "*/private/*",
    "*/vault-password*",
    "*.vault",
)
"""Files that hold a secret and nothing else, by shell pattern."""


def is_secret_file(path: str) -> bool:
    """Tell whether a file is compared by its digest only, and never fetched."""
    return any(fnmatchcase(path, pattern) for pattern in _BY_DIGEST)


def masked_text(text: str) -> str:
    """Return a text with every value that belongs to a secret's name replaced by `***`."""
    for pattern in _WAYS:
        text = pattern.sub(rf"\g<lead>{MASKED}", text)
    return text
