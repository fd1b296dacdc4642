"""The load generator for HTTP, a process of its own: a keep-alive connection a caller, replies not decoded.

It is driven like the one for gRPC, whose bursts and outcomes it shares. `method` is the path of a POST.
"""

import itertools
import pickle
import selectors
import socket
import subprocess
import sys
from collections import Counter

import numpy as np
from hotrow import clock

from tests.bench.load import Burst, LoadGenerator, Outcome

_STALL_S = 60.0


class HttpLoadGenerator(LoadGenerator):
    """The process, as the benchmark holds it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.bench.peer_http"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


class Caller:
    """One connection, with one request at a time."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), _STALL_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._sent_ns = 0

    def send(self, request: bytes) -> None:
        """Send a whole request; the reply is awaited by the selector."""
        self._sent_ns = clock.monotonic_ns()
        self.socket.sendall(request)

    def receive(self) -> tuple[bytes, int] | None:
        """Take what has come: the status line and the nanoseconds since the request, once the reply is whole."""
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self._received += piece
        length = reply_length(self._received)
        if length is None or len(self._received) < length:
            return None
        status = bytes(self._received[: self._received.index(b"\r\n")])
        del self._received[:length]
        return status, clock.monotonic_ns() - self._sent_ns


def reply_length(received: bytearray) -> int | None:
    """Bytes of the reply that begins here, head included; None while the head is not whole."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    for line in bytes(received[:end]).split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return end + 4 + int(value)
    raise ValueError("a reply without Content-Length")


def whole_request(burst: Burst, body: bytes) -> bytes:
    """A POST with its head."""
    head = f"POST {burst.method} HTTP/1.1\r\nHost: {burst.target}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _run(burst: Burst) -> Outcome:
    requests = itertools.cycle([whole_request(burst, body) for body in burst.requests])
    callers = [Caller(burst.target) for _ in range(burst.callers)]
    latencies: list[int] = []
    failed: Counter[str] = Counter()
    begun = clock.monotonic_ns()
    end_ns = begun + int(burst.seconds * 1e9)
    with selectors.DefaultSelector() as selector:
        for caller in callers:
            selector.register(caller.socket, selectors.EVENT_READ, caller)
            caller.send(next(requests))
        while selector.get_map():
            ready = selector.select(_STALL_S)
            if not ready:
                raise TimeoutError(f"no reply in {_STALL_S:.0f} s")
            for key, _ in ready:
                answer = key.data.receive()
                if answer is None:
                    continue
                if b" 200 " in answer[0] + b" ":
                    latencies.append(answer[1])
                else:
                    failed[answer[0].decode()] += 1
                if clock.monotonic_ns() < end_ns:
                    key.data.send(next(requests))
                else:
                    selector.unregister(key.data.socket)
    seconds = (clock.monotonic_ns() - begun) / 1e9
    for caller in callers:
        caller.socket.close()
    return Outcome((np.array(latencies, np.float64) / 1e3).astype(np.float32), dict(failed), seconds)


def main() -> None:
    while True:
        try:
            burst: Burst = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_run(burst), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
