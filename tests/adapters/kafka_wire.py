"""A proxy in front of a broker that cuts connections at a chosen request, or lets nothing through for a while."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from adapters.embedded_kafka import EmbeddedKafka, free_port
from tests.broker import own_broker

Moment = Literal["before it arrives", "before the answer"]

PRODUCE, FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS, END_TRANSACTION = 0, 10, 22, 24, 26
"""Kinds of requests, as Kafka's protocol numbers them."""


class Wire:
    """Listens in front of a broker, which tells its clients this address."""

    def __init__(self, port: int, broker_port: int) -> None:
        self.port, self._broker_port = port, broker_port
        self._kind, self._moment, self._cuts_left = -1, "", 0
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def cuts_left(self) -> int:
        return self._cuts_left

    def cut(self, kind: int, moment: Moment, times: int = 1) -> None:
        """Cut the next connections on which a client sends such a request."""
        self._kind, self._moment, self._cuts_left = kind, moment, times

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._broker_port))
                except OSError:
                    client.close()
                    continue
                threading.Thread(target=self._forward, args=(client, broker), daemon=True).start()
                threading.Thread(target=self._answer, args=(broker, client), daemon=True).start()

    def _forward(self, client: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError, EOFError):
            while True:
                size = _exactly(client, 4)
                request = _exactly(client, *struct.unpack(">i", size))
                cut = self._cuts_left > 0 and struct.unpack(">h", request[:2])[0] == self._kind
                if cut:
                    self._cuts_left -= 1
                    # the client is deaf from here on: no answer can slip through
                    client.shutdown(socket.SHUT_RDWR)
                if not cut or self._moment == "before the answer":
                    broker.sendall(size + request)
                if cut:
                    break
        with suppress(OSError):
            broker.shutdown(socket.SHUT_WR)

    def _answer(self, broker: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := broker.recv(65536):
                with suppress(OSError):
                    client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        broker.close()


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


@contextmanager
def wired_broker() -> Iterator[tuple[EmbeddedKafka, Wire]]:
    """A broker of a test's own, and the wire through which its clients reach it."""
    port, wired_port, wire_port = free_port(), free_port(), free_port()
    settings = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,WIRED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},WIRED://127.0.0.1:{wire_port}",
    }
    with own_broker(port=port, listeners=f"WIRED://127.0.0.1:{wired_port}", settings=settings) as own:
        wire = Wire(wire_port, wired_port)
        try:
            yield own, wire
        finally:
            wire.close()
