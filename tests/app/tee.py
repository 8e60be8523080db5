"""A wire that keeps what a client says through it, and that can be cut."""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlparse

from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol


class Tee(socketserver.ThreadingTCPServer):
    """Forwards connections to `url`, and remembers every byte that came from the client."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Wire)
        host, port = urlparse(url).hostname, urlparse(url).port
        assert host
        assert port
        self.target = (host, port)
        self.said: list[bytearray] = []
        self.open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def cut(self) -> None:
        for end in self.open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A wire that was cut: what else?"""

    # -- what was said ----------------------------------------------------------------------------

    def requests(self) -> set[str]:
        """`METHOD /path` of all HTTP requests."""
        lines = [line for talk in self.said for line in bytes(talk).split(b"\r\n")]
        http = [line.split() for line in lines if line.endswith(b" HTTP/1.1")]
        return {f"{method.decode()} {path.decode()}" for method, path, _ in http}

    def messages(self) -> Iterator[dict[str, Any]]:
        """All websocket messages of the client."""
        for talk in self.said:
            if talk.startswith(b"GET /ws"):
                yield from _messages(bytes(talk))


def _messages(talk: bytes) -> Iterator[dict[str, Any]]:
    protocol = ServerProtocol(max_size=None)
    protocol.receive_data(talk)
    for event in protocol.events_received():
        if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
            yield json.loads(bytes(event.data))


class _Wire(socketserver.BaseRequestHandler):
    server: Tee

    def handle(self) -> None:
        said = bytearray()
        self.server.said.append(said)
        with socket.create_connection(self.server.target) as venue:
            self.server.open += [self.request, venue]
            back = threading.Thread(target=_pump, args=(venue, self.request, None), daemon=True)
            back.start()
            _pump(self.request, venue, said)


def _pump(source: socket.socket, sink: socket.socket, kept: bytearray | None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            if kept is not None:
                kept += data
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def tee(url: str) -> Iterator[Tee]:
    with Tee(url) as wire:
        thread = threading.Thread(target=wire.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield wire
        finally:
            wire.shutdown()
            wire.cut()
            thread.join()
