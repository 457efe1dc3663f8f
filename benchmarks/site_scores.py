"""Lighthouse on the built site, as a phone sees it."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
SITE = ROOT / "_build" / "html"
LIGHTHOUSE = "lighthouse@12.8.2"
PAGES = ("book/index.html", "book/03_convolution.html", "book/12_vision_transformers.html")
LEAST = {"performance": 0.95, "accessibility": 1.0, "best-practices": 1.0, "seo": 1.0}
RUNS = 3  # of each page; their median counts
SLOWEST_PAINT = 2500  # milliseconds
# Lighthouse slows the processor down fourfold, to that of a phone; its guide on throttling says so
# for machines whose "benchmarkIndex" is 1500 to 2000, and less for slower ones.
SLOWDOWN, INDEX = 4, 1750
TEXT = (".html", ".css", ".js", ".svg", ".json")


def serve():
    """A server of the site that compresses text, as GitHub Pages does."""
    from serve_book import Handler

    class Compressing(Handler):
        def do_GET(self):
            path = Path(self.translate_path(self.path))
            if path.suffix not in TEXT or not path.is_file():
                super().do_GET()
                return
            body = gzip.compress(path.read_bytes())
            self.send_response(200)
            self.send_header("Content-Type", self.guess_type(path))
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Compressing, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def look(address, browser, slowdown=SLOWDOWN):
    """Lighthouse's report on an address: a dict."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.json"
        command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json"]
        command += [f"--output-path={target}", "--chrome-flags=--headless=new --no-sandbox"]
        command += [f"--throttling.cpuSlowdownMultiplier={slowdown}"]
        subprocess.run(command, check=True, env={**os.environ, "CHROME_PATH": browser})
        return json.loads(target.read_text(encoding="utf-8"))


def bench_site():
    """Prints the scores of some pages; returns whether all keep the bounds.

    Without Node, Chromium or a built site it says so, and passes.
    """
    from screenshots import find_chromium

    needed = {"Node": shutil.which("npx"), "Chromium": find_chromium(), "make book": SITE.is_dir()}
    if lacking := [name for name, found in needed.items() if not found]:
        print(f"Lighthouse: left out, it needs {', '.join(lacking)}")
        return True
    server = serve()
    root = f"http://127.0.0.1:{server.server_address[1]}"
    passed = True
    index = look(f"{root}/{PAGES[0]}", needed["Chromium"])["environment"]["benchmarkIndex"]
    slowdown = SLOWDOWN * index / INDEX  # so that all machines stand for the same phone
    print(f"Lighthouse: a processor of index {index:.0f}, slowed down {slowdown:.1f} times")
    for page in PAGES:
        reports = [look(f"{root}/{page}", needed["Chromium"], slowdown) for _ in range(RUNS)]
        scores = {
            name: median(report["categories"][name]["score"] for report in reports)
            for name in LEAST
        }
        paint = median(
            report["audits"]["largest-contentful-paint"]["numericValue"] for report in reports
        )
        ok = all(scores[name] >= least for name, least in LEAST.items()) and paint <= SLOWEST_PAINT
        passed = passed and ok
        told = ", ".join(f"{name} {score:.2f}" for name, score in scores.items())
        print(f"{page}: {told}, largest paint {paint / 1000:.1f} s {'ok' if ok else 'slow'}")
    server.shutdown()
    return passed
