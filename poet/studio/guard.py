"""Who may speak with the studio: a browser that was given a one-time token, on this machine, from our own pages.

The address that is printed holds a token, which is exchanged once for a cookie. A page of another origin gets
nothing: its requests carry no cookie (SameSite), and whatever names another host (DNS rebinding) or comes from
another origin is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})  # of any port: a tunnel may end on another
OPEN = "/open/"  # followed by a token
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
ENTERED = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">
<link rel="icon" href="data:,"><title>POET studio</title><a href="/">POET studio</a></html>"""


class Doorkeeper:
    """Keeps tokens and sessions; `entered` is called when a token has been used."""

    def __init__(self, entered: Callable[[], object] = lambda: None) -> None:
        self._tokens: set[str] = set()
        self._sessions: set[str] = set()
        self._entered = entered

    def token(self) -> str:
        """Give a token that opens the studio once."""
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return token

    def exchange(self, token: str) -> str | None:
        """Give a session for a token, which is good no more; None where it never was."""
        found = next((known for known in self._tokens if secrets.compare_digest(known.encode(), token.encode())), None)
        if found is None:
            return None
        self._tokens.discard(found)
        session = secrets.token_urlsafe(32)
        self._sessions.add(session)
        self._entered()
        return session

    def knows(self, session: str) -> bool:
        """Say whether a session was given here."""
        return any(secrets.compare_digest(known.encode(), session.encode()) for known in self._sessions)


class Guard:
    """Lets through only who has come in by a token, and refuses all else with 403."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, cookie: str) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        reason = refusal(headers)
        path = scope["path"]
        if reason is None and path.startswith(OPEN) and scope["method"] == "GET":
            await self._enter(path.removeprefix(OPEN))(scope, receive, sealed)
        elif reason is None and self._doorkeeper.knows(_cookie(headers, self._cookie)):
            await self._app(scope, receive, sealed)
        else:
            said = reason or "open the address that `poet studio` printed; each opens one browser, once"
            await PlainTextResponse(f"403: {said}\n", status_code=403)(scope, receive, sealed)

    def _enter(self, token: str) -> ASGIApp:
        session = self._doorkeeper.exchange(token)
        if session is None:
            return PlainTextResponse(
                "403: this address has been used or is of an earlier start; `poet studio` prints another\n",
                status_code=403,
            )
        # A page, not a redirect: what follows from it comes from here, whoever led to the address.
        response = HTMLResponse(ENTERED)
        response.set_cookie(self._cookie, session, httponly=True, samesite="strict", path="/")
        return response


def refusal(headers: Headers) -> str | None:
    """Say why a request is not from one of our own pages on this machine; None where it may be."""
    host = headers.get("host", "")
    if _name(host) not in HOSTS:
        return f"the host is {host[:80]!r}; the studio is 127.0.0.1 or localhost"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return f"the origin is {origin[:80]!r}; the studio answers its own pages alone"
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
        return "the request comes from another site"
    return None


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"http://{host}").hostname
    except ValueError:
        return None


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value
