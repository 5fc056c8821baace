"""A project with tasks whose images are built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from containers.engine import Engine

CODE = "def inputs(rng):\n    return 1\n\ndef run(value):\n    return value\n"
RUN = "import sys; from pytest_isobench.cli.main import main; sys.exit(main())"


class Project:
    """A folder with tasks, and the command in it."""

    def __init__(self, path: Path, engine: Engine | None = None) -> None:
        self.path, self.engine, self.tasks = path, engine, list[dict[str, Any]]()
        self.variables = {**os.environ, "ISOBENCH_CACHE": str(path.parent / "cache")}
        self.variables |= {"DOCKER_HOST": engine.host if engine else "unix:///nonexistent/docker.sock"}
        self.prefix = f"test-{uuid.uuid4().hex[:12]}"
        self.write({"pyproject.toml": f'[tool.pytest.ini_options]\nisobench_image_prefix = "{self.prefix}"\n'})
        if engine:
            with (path / "pyproject.toml").open("a") as file:
                file.write(f'isobench_image_base = "{engine.image}"\n')

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(text)

    def add(self, name: str, files: Mapping[str, str] | None = None, **fields: Any) -> None:
        """Add a task: with files a `path` task, else one whose fields say where its code comes from."""
        if files is not None:
            # Of its own, since images are found by their content and the engine is everybody's.
            self.write({f"tasks/{name}/{file}": text for file, text in {**files, "whose": self.prefix}.items()})
            self.write({f"tasks/{name}.diff": ""})
            fields["source"] = {"kind": "path", "base": name, "patch": f"{name}.diff"}
        self.tasks.append({"id": name, "workload": {"kind": "python", "code": CODE}, **fields})
        self.write({"tasks/all.json": json.dumps({"version": 1, "tasks": self.tasks})})

    def images(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", RUN, "images", *map(str, arguments)]
        return subprocess.run(command, cwd=self.path, env={**self.variables, **variables}, capture_output=True, text=True, timeout=300)

    def build(self, *arguments: object, **variables: str) -> str:
        done = self.images("build", "--all", *arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inside(self, tag: str, *command: str) -> str:
        """Run a command in a container of an image."""
        assert self.engine
        client = self.engine.client()
        try:
            said: bytes = client.containers.run(f"{self.prefix}:{tag}", list(command), network_mode="none", remove=True)
        finally:
            client.close()
        return said.decode()

    def labels(self, tag: str) -> dict[str, str]:
        assert self.engine
        client = self.engine.client()
        try:
            return dict(client.images.get(f"{self.prefix}:{tag}").labels)
        finally:
            client.close()
