"""Says hello to $NAME, and tells which host said it."""

import html
import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ.get("NAME", "world")
HOST = socket.gethostname()
PORT = int(os.environ.get("PORT", "80"))

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Hello {name}!</title>
<h1>Hello {name}!</h1>
<p>You are served by <b>{host}</b>.</p>
"""


class Hello(BaseHTTPRequestHandler):
    """Answers one connection, for as many requests as the client sends on it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Answer a request for a page."""
        path = self.path.partition("?")[0]
        with self.server.under_way:
            self.respond(path)

    def do_HEAD(self):
        """Answer a request for a page's size and kind."""
        self.do_GET()

    def respond(self, path):
        """Send what belongs to a path."""
        if path == "/healthz":
            self.answer(200, "text/plain", "ok\n")
        elif path == "/":
            self.answer(200, "text/html", PAGE.format(name=html.escape(NAME), host=html.escape(HOST)))
        elif path == "/whoami":
            self.answer(200, "application/json", json.dumps({"name": NAME, "host": HOST}) + "\n")
        else:
            self.answer(404, "text/plain", "there is nothing here\n")

    def answer(self, status, kind, text):
        """Send a whole answer; its length lets the connection live on."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if stopping.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *args):
        """Write one line for each request, but not for the load balancer's questions after our health."""
        if self.path != "/healthz":
            print(f"{self.log_date_time_string()} {format % args}", flush=True)


class Server(ThreadingHTTPServer):
    """Lets many clients in at once, and lets the ones under way finish when it stops."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.under_way = UnderWay()

    def handle_error(self, request, client_address):
        """Keep quiet about clients that hang up before they have read the answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class UnderWay:
    """Counts the requests that are being answered."""

    def __init__(self):
        self.count = 0
        self.changed = threading.Condition()

    def __enter__(self):
        with self.changed:
            self.count += 1

    def __exit__(self, *error):
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait(self, seconds):
        """Wait until there are none, but no longer than some seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.count == 0, seconds)


stopping = threading.Event()


def main():
    """Serve until told to stop, then answer what is under way and go."""
    server = Server(("", PORT), Hello)

    def stop(signum, frame):
        stopping.set()
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"{HOST} says hello to {NAME} on port {PORT}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    server.under_way.wait(4)
    print("stopped", flush=True)


if __name__ == "__main__":
    main()
