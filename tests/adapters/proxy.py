"""A wire between client and server that breaks at the worst moment."""

import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Moment = Literal["before it arrives", "before the answer"]


class Proxy:
    """Listens on a Unix socket in front of a server; cuts a connection when the client has sent a mark."""

    def __init__(self, url: str) -> None:
        server = conninfo_to_dict(url)
        self._host, self._port = str(server.get("host") or "localhost"), str(server.get("port") or "5432")
        self._folder = tempfile.TemporaryDirectory(prefix="wire-")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/.s.PGSQL.5432")
        self._listener.listen()
        self._mark, self._moment, self._cuts_left = b"", "", 0
        self.url = make_conninfo(url, host=self._folder.name, port=5432)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, mark: str, moment: Moment, times: int = 1) -> None:
        """Cut the next connections on which the client sends the mark."""
        self._mark, self._moment, self._cuts_left = mark.encode(), moment, times

    @property
    def cuts_left(self) -> int:
        return self._cuts_left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, int(self._port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(Path(self._host) / f".s.PGSQL.{self._port}"))
        return server

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                cut = self._cuts_left > 0 and self._mark in data
                if cut:
                    self._cuts_left -= 1
                    # the client is deaf from here on: no answer can slip through
                    client.shutdown(socket.SHUT_RDWR)
                if not cut or self._moment == "before the answer":
                    server.sendall(data)
                if cut:
                    break
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        alive = True
        with suppress(OSError):
            while data := server.recv(65536):
                # what a cut client does not hear is still read, or the server would notice too early
                with suppress(OSError):
                    if alive:
                        client.sendall(data)
                        continue
                alive = False
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        server.close()
