"""A TCP proxy on loopback that holds back what a server sends, for as long as a test says."""

import contextlib
import socket
import threading
import time


class SlowProxy:
    """Passes connections on to a port; `delay_s` is before each piece of what the server answers."""

    def __init__(self, port: int) -> None:
        self.delay_s = 0.0
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += [caller, server]
                for source, sink, slow in ((caller, server, False), (server, caller, True)):
                    threading.Thread(target=self._pass_on, args=(source, sink, slow), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, slow: bool) -> None:  # noqa: FBT001
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if slow and self.delay_s:
                    time.sleep(self.delay_s)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
