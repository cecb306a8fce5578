"""An object store on this machine (moto's), seen through a front that counts, holds back and spoils requests."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import boto3

from ours import papyra
from ports import free_port

BUCKET = "history"
PLACE = f"{BUCKET}/deep/er"
HOME = f"s3://{PLACE}"
SECRET = "a-secret-that-nobody-may-see"
PASSWORD = "a-password-that-nobody-may-see"

# What the front does with a request: (status, body) or (status, body, headers) answers it, None passes it on.
Rule = Callable[["Request"], tuple | None]

# Where the connection breaks: BEFORE the request is carried out, WITHIN its body, AFTER it was carried out and before the
# answer, or not at all.
BEFORE, WITHIN, AFTER = "before", "within", "after"
Break = Callable[["Request"], str | None]

# What becomes of an answer's headers on their way back.
Mark = Callable[["Request", dict[str, str]], dict[str, str]]

# What becomes of an answer's body on its way back; a shorter one comes under the length of the whole.
Spoil = Callable[["Request", bytes], bytes]


class Request:
    """A request to the store: method, key with the bucket, query, how many bytes came along, and which were asked for."""

    def __init__(self, method: str, target: str, size: int, stretch: str) -> None:
        path, _, self.query = target.partition("?")
        self.method, self.path, self.size, self.range = method, unquote(path), size, stretch
        # What the store is asked for; a rule may change it.
        self.forward = target

    @property
    def changes(self) -> bool:
        return self.method in ("PUT", "POST", "DELETE")

    def __repr__(self) -> str:
        return f"{self.method} {self.path}?{self.query} {self.range} ({self.size} bytes)"


class Front(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = behind
        self.rule: Rule = lambda request: None
        self.spoil: Spoil = lambda request, body: body
        self.breaks: Break = lambda request: None
        self.mark: Mark = lambda request, headers: headers
        # Bytes a second that bodies arrive with, all together, and that each answer's body leaves with.
        self.uplink: float | None = None
        self.downlink: float | None = None
        self.seen: list[Request] = []
        self.lock = threading.Lock()
        self.line = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that was killed is what some tests are about.
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Front

    def pass_on(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        request = Request(self.command, self.path, size, self.headers.get("Range", ""))
        with self.server.lock:
            self.server.seen.append(request)
            breaks = self.server.breaks(request)
        body = self.take(size // 2 if breaks == WITHIN else size)
        if breaks in (BEFORE, WITHIN):
            return self.hang_up()
        canned = self.server.rule(request)
        if canned is not None:
            status, answer, *more = canned
            headers = [("Content-Type", "application/xml"), *(more[0].items() if more else ())]
        else:
            behind = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
            behind.request(self.command, request.forward, body, dict(self.headers.items()))
            response = behind.getresponse()
            status, answer = response.status, response.read()
            headers = [(k, v) for k, v in response.getheaders() if k.lower() not in ("connection", "transfer-encoding")]
            behind.close()
        if breaks == AFTER:
            return self.hang_up()
        self.send_response_only(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in self.server.mark(request, dict(headers)).items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        sent = b"" if self.command == "HEAD" else self.server.spoil(request, answer)
        size = lengths[0] if self.command == "HEAD" and lengths else str(max(len(answer), len(sent)))
        self.send_header("Content-Length", size)
        self.end_headers()
        if self.command != "HEAD":
            self.give(sent)
            self.close_connection |= len(sent) < len(answer)

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def give(self, body: bytes) -> None:
        if self.server.downlink is None:
            self.wfile.write(body)
            return
        for at in range(0, len(body), 1 << 12):
            self.wfile.write(body[at : at + (1 << 12)])
            self.wfile.flush()
            time.sleep((1 << 12) / self.server.downlink)

    def take(self, size: int) -> bytes:
        if self.server.uplink is None:
            return self.rfile.read(size)
        body = b""
        while len(body) < size:
            with self.server.line:
                piece = self.rfile.read(min(1 << 14, size - len(body)))
                time.sleep(len(piece) / self.server.uplink)
            body += piece
        return body

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

    def log_message(self, *_: object) -> None:
        pass


class ObjectStore:
    """moto's server, the front before it, and our command with the settings for it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                assert self.server.poll() is None and time.monotonic() < deadline, "moto did not start"
                time.sleep(0.05)
        self.front = Front(self.port)
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="tester",
            aws_secret_access_key=SECRET,
        )

    def settings(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.front.server_port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "RESTIC_PASSWORD": PASSWORD,
        }

    def papyra(self, *args: object, cwd: Path | None = None, **environment: str):
        answer = papyra(*args, cwd=cwd, **{**self.settings(), **environment})
        assert SECRET.encode() not in answer.out + answer.err and PASSWORD.encode() not in answer.out + answer.err
        return answer

    def restic(self, repository: str, *args: object) -> bytes:
        """Debian's restic on the same store."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **self.settings()}
        place = f"s3:http://127.0.0.1:{self.port}/{repository}"
        words = ["restic", "--no-cache", "--repo", place, *map(str, args)]
        done = subprocess.run(words, env=environment, capture_output=True)
        assert done.returncode == 0, f"{words}: {done.stdout.decode()}{done.stderr.decode()}"
        return done.stdout

    def begin(self, *args: object, cwd: Path) -> subprocess.Popen:
        """Start our command and go on."""
        program = Path(os.environ["PAPYRA_BIN"]).resolve()
        environment = {"PATH": os.environ["PATH"], **self.settings()}
        return subprocess.Popen([program, *map(str, args)], cwd=cwd, env=environment, stdout=-1, stderr=-1)

    def untouched(self) -> None:
        """From now on requests and answers go through as they are."""
        self.front.rule = lambda request: None
        self.front.spoil = lambda request, body: body
        self.front.breaks = lambda request: None
        self.front.mark = lambda request, headers: headers
        self.front.uplink = self.front.downlink = None

    def empty(self) -> None:
        """An empty bucket, and nothing seen yet."""
        self.untouched()
        assert self.tell("/moto-api/reset") == 200
        self.client.create_bucket(Bucket=BUCKET)
        self.front.seen.clear()

    def tell(self, path: str, body: str = "") -> int:
        """Speak to moto itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", path, body)
        return connection.getresponse().status

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        listed = [
            entry
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
            for entry in page.get("Contents", [])
        ]
        return {entry["Key"]: self.read(entry["Key"]) for entry in listed}

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def write(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def stop(self) -> None:
        self.front.shutdown()
        self.server.kill()
        self.server.wait()
