"""Serve a script to people who try an agent's program."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from llm_server.script import Script
from llm_server.server import llm_server


def main() -> None:
    """Print the address and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m llm_server", description=__doc__)
    parser.add_argument("--script", type=Path, required=True, help="JSON file with steps and faults")
    parser.add_argument("--port", type=int, default=0, help="Port on 127.0.0.1; a free one by default")
    options = parser.parse_args()
    with llm_server(Script.from_json(options.script.read_text(encoding="utf-8")), options.port) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
