"""A web server that can do wrong what web servers do wrong: `MODES` says per host what."""

import http.server
import os
import socket
import sys
import time

HOST = socket.gethostname()
MODES = dict(pair.partition("=")[::2] for pair in os.environ.get("MODES", "").split())
MODE = MODES.get(HOST, "")


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers every request as its mode wants."""

    def do_GET(self):
        """Answer."""
        if MODE == "hangs":
            time.sleep(60)
        status = {"redirects": 301, "has-no-page": 404, "fails": 500, "rejects-the-host": 400}.get(MODE, 200)
        self.send_response(status)
        if status == 301:
            self.send_header("Location", "/health/live")
        body = b"ok\n" if status == 200 else b"cannot reach the cache\n"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep quiet."""


def serve(address="", port=8000):
    """Serve."""
    http.server.ThreadingHTTPServer((address, port), Answers).serve_forever()


def be_slow():
    """Answer two seconds after the deadline."""
    for second in range(5):
        print(f"loading part {second}", flush=True)
        time.sleep(1)
    serve()


def take_memory():
    """Want more memory than there is."""
    print("loading everything", flush=True)
    held = []
    while True:
        held.append(bytearray(8_000_000))


FAULTS = {
    "listens-elsewhere": lambda: serve(port=8080),
    "listens-on-loopback": lambda: serve("127.0.0.1"),
    "is-slow": be_slow,
    "does-nothing": lambda: time.sleep(600),
    "crashes": lambda: sys.exit("the licence has expired"),
    "ends": lambda: sys.exit(0),
    "takes-memory": take_memory,
    "wants-a-variable": lambda: os.environ["GREETING"],
    "wants-a-file": lambda: open("/etc/app/app.toml"),
    "writes-to-its-root": lambda: open("/app/cache.db", "w"),
    "may-not": lambda: open("/etc/shadow"),
    "resolves": lambda: os.execvp("getent", ["getent", "hosts", "db.nowhere.invalid"]),
    "fills-its-scratch": lambda: open("/tmp/big", "wb").write(b"x" * 4_000_000),
}


def main():
    """Do wrong what the mode says, else serve."""
    print(f"{HOST} starts", flush=True)
    if MODE == "resolves":
        socket.create_connection(("db.nowhere.invalid", 5432))
    FAULTS.get(MODE, serve)()


main()
