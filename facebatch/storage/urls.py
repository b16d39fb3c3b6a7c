"""Addresses as people may see them: without names, passwords, tokens and signatures.

Every message, table, manifest and report shows a URL through `public_url`, and foreign texts, such
as the errors of a store's client, through `public_text`.
"""

from __future__ import annotations

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_SECRET_PARAMETER = re.compile(
    r"(?i)\b((?:x-amz-|x-goog-)?(?:signature|credential|security-token)|awsaccesskeyid|sig|token|"
    r"access_token|password|passwd|secret|api_?key)=[^\s&'\"<>;]+"
)
_ACCOUNT_BEFORE_AT = frozenset({"abfs", "abfss", "az", "adl", "wasb", "wasbs"})
"""Schemes where what stands before the @ is a container, not a user."""

_BUCKETS = _ACCOUNT_BEFORE_AT | {"s3", "s3a", "gs", "gcs"}
"""Schemes where a colon in the place of the host begins no port."""

_WEB = frozenset({"http", "https"})


def public_url(url: str) -> str:
    """Returns a URL, or a chain of them, without user, password, query and fragment.

    Local paths come back as they are. What stands before an ``@`` in the place of a host is left
    out, whatever it is, except the container of an Azure URL.
    """
    if not _SCHEME.search(url):
        return url
    return "::".join(_public_link(link) for link in url.split("::"))


def public_text(text: str) -> str:
    """Returns a text whose URLs are as `public_url` gives them, without secrets in parameters."""
    without = _IN_TEXT.sub(lambda found: public_url(found.group()), text)
    return _SECRET_PARAMETER.sub(lambda found: f"{found.group(1)}=...", without)


def has_secret(url: str) -> bool:
    """Tells whether a URL names a user or a password."""
    return any(_user(link) for link in url.split("::"))


def _public_link(link: str) -> str:
    scheme = _SCHEME.match(link)
    if scheme is None:
        return link
    rest = link[scheme.end() + len(_user(link)) :]
    if scheme.group()[:-3].lower() in _WEB:
        rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    else:
        rest = re.sub(r"\?[^?]*=.*", "", rest)
    return scheme.group() + rest


def _user(link: str) -> str:
    """Returns what stands before the host, the @ included; empty where nothing does."""
    scheme = _SCHEME.match(link)
    if scheme is None or scheme.group()[:-3].lower() in {"file", "local", "memory"}:
        return ""
    rest = re.split(r"[?#]", link[scheme.end() :], maxsplit=1)[0]
    authority = rest.partition("/")[0]
    name, colon, _ = authority.partition("@")[0].partition(":")
    if "@" in authority:
        is_container = scheme.group()[:-3].lower() in _ACCOUNT_BEFORE_AT and not colon
        return "" if is_container else authority[: authority.rindex("@") + 1]
    # A secret may hold slashes, against the rules: then the @ comes after the first of them.
    port = authority.rpartition(":")[2]
    has_port = scheme.group()[:-3].lower() not in _BUCKETS and port.isdigit() and len(port) <= 5
    if colon and name and "@" in rest and not has_port:
        return rest[: rest.rindex("@") + 1]
    return ""
