"""A small HTTP server for those who watch a process: a few pages, made on a thread of its own when somebody asks."""

import errno
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from adapters.faults import SettingsWrong, clipped

SLOW_CLIENT_SECONDS = 5
"""How long a client may take to send its request before it is cut off."""
CLOSES_WITHIN_SECONDS = 0.1
TEXT = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """What a path answers."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT


Pages = Mapping[str, Callable[[str], Page]]
"""By path: what makes the page, given what the client accepts."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    pages: Pages

    def __init__(self, family: socket.AddressFamily, address: Any) -> None:
        self.address_family = family
        super().__init__(address[:2], _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SLOW_CLIENT_SECONDS
    server: _Server

    def do_GET(self) -> None:
        make = self.server.pages.get(urlsplit(self.path).path)
        if make is None:
            known = " ".join(self.server.pages)
            page = Page(HTTPStatus.NOT_FOUND, f"there is no such page; there are {known}\n".encode())
        else:
            page = self._made(make)
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    do_HEAD = do_GET  # noqa: N815  (so named where it is looked for)

    def _made(self, make: Callable[[str], Page]) -> Page:
        try:
            return make(self.headers.get("Accept", ""))
        except Exception as fault:  # a page that cannot be made must be seen as such, not as a connection that is cut
            return Page(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(fault).__name__}\n".encode())

    def version_string(self) -> str:
        return "trailbook"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (so named where it comes from)
        """Scrapers come every few seconds; nobody wants to read that."""


@contextmanager
def serving(host: str, port: int, pages: Pages) -> Iterator[str]:
    """Answer until the end, at the URL that is given; port 0 is any that is free. Raises SettingsWrong."""
    server = _bound(host, port)
    server.pages = pages
    thread = threading.Thread(target=server.serve_forever, args=(CLOSES_WITHIN_SECONDS,), name="http", daemon=True)
    thread.start()
    try:
        shown, bound = server.server_address[:2]
        yield f"http://{f'[{shown!s}]' if ':' in str(shown) else shown!s}:{bound}"
    finally:
        server.shutdown()
        server.server_close()


def _bound(host: str, port: int) -> _Server:
    try:
        (family, *_, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return _Server(family, address)
    except (OSError, UnicodeError) as fault:
        # an address that cannot even be a name is a UnicodeError
        if isinstance(fault, UnicodeError | socket.gaierror) or fault.errno == errno.EADDRNOTAVAIL:
            said = f"TRAILBOOK_HTTP_HOST {clipped(host)!r} is no address of this machine"
            told = f"{said}; write one like 127.0.0.1 or 0.0.0.0"
        elif fault.errno == errno.EADDRINUSE:
            told = f"port {port} of {host} is taken by another program; set TRAILBOOK_HTTP_PORT to a free one"
        else:
            told = f"port {port} of {host} cannot be used: {fault.strerror}; set TRAILBOOK_HTTP_PORT to another"
        raise SettingsWrong(told) from None
