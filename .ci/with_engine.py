"""Run a command with a container engine of its own, started for it and ended with it: with_engine.py COMMAND..."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from containers.engine import using

os.environ["ISOBENCH_REQUIRE_ENGINE"] = "1"
with tempfile.TemporaryDirectory(prefix="ci-", dir="/var/tmp", ignore_cleanup_errors=True) as folder, using(Path(folder, "e")) as host:
    sys.exit(subprocess.call(sys.argv[1:], env={**os.environ, "DOCKER_HOST": host}))
