"""Serves the built site on this machine only: python tools/serve_book.py [PORT]"""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"


class Handler(SimpleHTTPRequestHandler):
    """Files of the site; for a missing one 404.html, as GitHub Pages does."""

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: one line a request helps nobody here."""


def server(folder, port=0):
    """A server of a folder on 127.0.0.1; port 0 takes a free one, found in `server_address`."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder)))


def main():
    if not SITE.is_dir():
        sys.exit("serve: there is no site yet. Run `make book` first.")
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    try:
        httpd = server(SITE, port)
    except OSError as error:
        sys.exit(f"serve: port {port} is not free ({error.strerror}). Try: make serve PORT=8001")
    print(f"serve: http://127.0.0.1:{port} (Ctrl+C ends it)", flush=True)
    try:
        httpd.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
