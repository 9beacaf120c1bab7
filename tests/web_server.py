"""A web server on loopback, in a thread: its pages are bytes, or functions that answer."""

import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch


class Site:
    """The pages of a server, by path, and what was asked of it.

    A page is its content, or `answer(handler)`. Headers that every answer has stand in `headers`.
    """

    def __init__(self):
        self.pages, self.headers, self.asked = {}, {}, []
        self.closing = threading.Event()

    def redirect(self, path, to):
        def answer(handler):
            handler.send_response(302)
            handler.send_header("Location", to)
            handler.end_headers()

        self.pages[path] = answer

    def status(self, path, code):
        self.pages[path] = lambda handler: handler.send_error(code)

    def stated(self, path, size, content):
        """Answer with a size that is not that of the content."""

        def answer(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(size))
            handler.end_headers()
            handler.wfile.write(content)

        self.pages[path] = answer

    def silent(self, path):
        self.pages[path] = lambda handler: self.closing.wait()


@contextmanager
def serving(context=None):
    """Give a site and the beginning of its addresses; with an SSL context, of https."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked.append((self.path, dict(self.headers)))
            page = site.pages.get(self.path.partition("?")[0])
            if page is None:
                self.send_error(404)
            elif callable(page):
                page(self)
            else:
                self.send_response(200)
                for name, value in {"Content-Length": str(len(page)), **site.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page)

        def log_message(self, *words):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, address):
            """Say nothing of readers that have left."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with patch.dict(os.environ, no_proxy="127.0.0.1"):
            yield site, f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
    finally:
        site.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
