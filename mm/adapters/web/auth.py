"""Who may ask and who may command: token, Host and Origin."""

import hmac
import ipaddress
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

MIN_TOKEN = 16


class WebError(Exception):
    """One line for the operator, naming the setting to change."""


def load_or_create_token(path: Path) -> str:
    """The operator's token, kept in a file that only the owner may read.

    Raises WebError where the file cannot be made or read, or holds too short a token.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            path.chmod(0o600)
        else:
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        token = path.read_text().strip()
    except OSError as error:
        raise WebError(
            f"web token {path}: {error.strerror}; set web.token or make it writable"
        ) from error
    if len(token) < MIN_TOKEN:
        raise WebError(
            f"web token {path} is too short: delete the file, a new one is made at start"
        )
    return token


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets; "" if it has none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def host_allowed(header: str, names: frozenset[str]) -> bool:
    """Against DNS rebinding: a page of another site reaches us only under that site's *name*.

    So addresses are safe, as are names without a dot (localhost, a container's name: the public
    DNS has none); of the others only the configured ones.
    """
    name = host_name(header)
    return bool(name) and ("." not in name or name in names or _is_address(name))


def same_origin(origin: str | None, host: str) -> bool:
    """True for a program (no Origin) and for our own page."""
    return origin is None or origin in (f"http://{host}", f"https://{host}")


def bearer_matches(authorization: str | None, token: str) -> bool:
    """In constant time."""
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(errors="surrogateescape"), token.encode()
    )
