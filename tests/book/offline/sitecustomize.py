"""Cuts a Python process and its Python children off the network, but for the machine itself.

Python imports this at its start when the folder is on PYTHONPATH; conftest.py puts it there for
the kernels that run the chapters. Each attempt is refused, and noted in the file NETWORK_LOG so
that a chapter that swallows the error still fails. An audit hook cannot be taken back or walked
round from Python; ZeroMQ, which carries the kernel's own messages, does not pass it.
"""

import os
import socket
import sys
from urllib.parse import urlsplit

# Programs that are not Python are sent to this proxy, where nobody listens.
PROXY_PORT = 9
LOCAL_NAMES = {None, "", "localhost", "0.0.0.0", "::", "::1", socket.gethostname()}


def _is_local(host):
    if isinstance(host, bytes):
        host = host.decode()
    return host in LOCAL_NAMES or host.startswith("127.")


def _target(event, arguments):
    """What an audit event wants to reach outside this machine, or None."""
    if event == "urllib.Request":
        url = arguments[0]
        return None if _is_local(urlsplit(url).hostname) else url
    if event.startswith("socket.get"):
        host = arguments[0]
        return None if _is_local(host) else host
    # Only internet addresses are pairs that begin with a text.
    address = arguments[1]
    if not isinstance(address, tuple) or not isinstance(address[0], str):
        return None
    if _is_local(address[0]) and address[1] != PROXY_PORT:
        return None
    return f"{address[0]} port {address[1]}"


EVENTS = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.sendmsg",
    "socket.sendto",
    "urllib.Request",
}


def _refuse_network(event, arguments):
    if event in EVENTS and (target := _target(event, arguments)):
        with open(os.environ["NETWORK_LOG"], "a", encoding="utf-8") as log:
            log.write(f"{target}\n")
        raise OSError(f"the book must run without a network, refused: {target}")


sys.addaudithook(_refuse_network)
