"""Finds a port, waits for a server, or asks it for something; a program of its own, for the standard library only, started as `-c TEXT`.

It gets one job as JSON on stdin and says on stdout what became of it:

    {"do": "port"}                          a port of the loopback that is free now
    {"do": "wait", "url": U, "seconds": S}  "ready" as soon as a GET is answered with status 200, else "waiting" in the end
    {"do": "post", "url": U, "seconds": S}  the status that a POST without a body is answered with; 0 without an answer
"""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from typing import Any

PAUSE = 0.05
"""Seconds between two looks."""
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def status(url: str, method: str, seconds: float) -> int:
    """Return the status that a request is answered with; 0 without an answer."""
    try:
        with OPENER.open(urllib.request.Request(url, method=method), timeout=seconds) as answer:  # noqa: S310 - ours
            code: int = answer.status
            return code
    except urllib.error.HTTPError as error:
        return error.code
    except Exception:  # whatever the server makes of HTTP: the client is to say it
        return 0


def wait(url: str, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if status(url, "GET", left) == 200:
            return "ready"
        time.sleep(PAUSE)
    return "waiting"


def main() -> int:
    job: dict[str, Any] = json.load(sys.stdin)
    if job["do"] == "port":
        print(free_port())
    elif job["do"] == "wait":
        print(wait(job["url"], job["seconds"]))
    else:
        print(status(job["url"], "POST", job["seconds"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
