"""Fetches the bytes behind an http(s) address, within bounds of size and time; whoever reads them checks them."""

from __future__ import annotations

import base64
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from neptune.errors import PictureError
from neptune.scene.addresses import is_address, shown

MAX_BYTES = 64_000_000
"""Of what is fetched; more is refused, whatever the server says beforehand."""

SECONDS = 20.0
"""That a server may be silent."""

SECONDS_IN_ALL = 60.0
"""For one picture."""

MAX_REDIRECTS = 5

_PIECE = 1 << 16
_HINT = "Download the picture, and give the file"


def fetch(address: str) -> bytes:
    """Return what an address holds.

    The environment's proxies are used. Redirections are followed to http(s) addresses, and never from https to http.

    Raises
    ------
    PictureError
        If the server can not be reached, refuses, is too slow, or sends more than `MAX_BYTES`.
    """
    name = shown(address)
    begun = time.monotonic()
    try:
        with _opener().open(_request(address), timeout=SECONDS) as answer:
            said = answer.headers.get("Content-Length", "")
            if said.isdigit() and int(said) > MAX_BYTES:
                raise _too_large(name)
            content = bytearray()
            while piece := answer.read1(_PIECE):
                content += piece
                if len(content) > MAX_BYTES:
                    raise _too_large(name)
                if time.monotonic() - begun > SECONDS_IN_ALL:
                    raise _failed(name, f"it took more than {SECONDS_IN_ALL:g} s")
    except urllib.error.HTTPError as error:
        error.close()
        raise _failed(name, f"the server says {error.code} {error.reason.partition(' - ')[0]}") from error
    except HTTPException as error:
        raise _failed(name, "the address or the answer is no proper HTTP") from error
    except (OSError, ValueError) as error:  # no such host, refused, silent, an address that is none
        reason = getattr(error, "reason", None) or error
        said = str(reason) if isinstance(error, OSError) else "it is no proper address"
        raise _failed(name, said or type(error).__name__) from error
    if not content:
        raise _failed(name, "the server sends nothing")
    return bytes(content)


def _request(address: str) -> urllib.request.Request:
    """Return the request; a name and a password in the address go to that server alone."""
    parts = urlsplit(address)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(plain, headers={"User-Agent": "neptune-reasoner", "Accept": "image/*"})
    if parts.username is not None:
        known = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(known).decode()}")
    return request


def _failed(name: str, why: str) -> PictureError:
    return PictureError(f"The picture can not be fetched: {why}", where=name, hint=_HINT)


def _too_large(name: str) -> PictureError:
    return PictureError(
        "The address holds more than a picture", where=name, expected=f"at most {MAX_BYTES:,} bytes", hint=_HINT
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirections, to http(s) alone, and none that gives up encryption."""

    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not is_address(newurl) or (req.full_url.lower().startswith("https:") and newurl.lower().startswith("http:")):
            raise urllib.error.URLError(f"the server redirects to {shown(newurl)}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http(s) addresses, and neither files nor FTP."""
    opener = urllib.request.OpenerDirector()
    handlers: tuple[type[Any], ...] = (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        _Redirects,
        urllib.request.HTTPErrorProcessor,
    )
    for handler in handlers:
        opener.add_handler(handler())
    return opener
