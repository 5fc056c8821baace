"""Failures, named from what builds really say."""

from __future__ import annotations

import pytest

from pytest_isobench.images.causes import last_lines, name_cause

RUN = "Step 4/9 : RUN something\n ---> Running in 2b0c\n"
SAID = [
    ("OSError: [Errno 28] No space left on device\n", "no space left"),
    ("write /var/lib/docker/tmp: disk quota exceeded\n", "no space left"),
    ("isobench: the base image has no python3.13\n", "base image lacks Python"),
    ("RuntimeError: The detected CUDA version (11.8) mismatches the version that was used to compile PyTorch (12.4).\n", "CUDA mismatch"),
    ("nvcc fatal   : Unsupported gpu architecture 'compute_100'\n", "CUDA mismatch"),
    ("isobench: the base image has no CUDA compiler (nvcc); its name should say 'devel'\n", "CUDA missing"),
    ("OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.\n", "CUDA missing"),
    ("/bin/sh: 1: nvcc: not found\n", "CUDA missing"),
    ("ImportError: libcudart.so.12: cannot open shared object file: No such file or directory\n", "CUDA missing"),
    ("ERROR: Could not find a version that satisfies the requirement torch==2.99 (from versions: 2.1.0)\n", "torch wheel not found"),
    ("ERROR: No matching distribution found for torch==2.99\n", "torch wheel not found"),
    ("ERROR: No matching distribution found for torchmetrics-nope==1\n", "missing dependency"),
    ("ModuleNotFoundError: No module named 'setuptools_scm'\n", "missing dependency"),
    ("src/x.c:1:10: fatal error: Python.h: No such file or directory\n", "missing dependency"),
    ("E: Unable to locate package libfoo-dev\n", "missing dependency"),
    ("/bin/sh: 1: cmake: not found\n", "missing dependency"),
    ("/usr/bin/ld: cannot find -lfoo\n", "missing dependency"),
    ("Err:1 Temporary failure resolving 'deb'\nE: Unable to locate package git\n", "network"),
    (
        "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution found for torch\n",
        "network",
    ),
    ("fatal: unable to access 'https://host/x.git/': Could not resolve host: host\n", "network"),
    ("make: *** [all] Error 2\n", "a step failed"),
    ("", "a step failed"),
]


@pytest.mark.parametrize(("said", "cause"), SAID)
def test_cause(said: str, cause: str) -> None:
    found = name_cause(RUN + said + "The command '/bin/sh -c something' returned a non-zero code: 1\n")
    assert found.name == cause
    assert found.advice


@pytest.mark.parametrize(
    "log",
    [
        'Step 1/9 : FROM nosuch:1\nGet "https://host/v2/": dial tcp: lookup host: no such host\n',
        "Step 1/9 : FROM nosuch:1\npull access denied for nosuch, repository does not exist or may require 'docker login'\n",
        "STEP 1/9: FROM nosuch:1\nError: creating build container: short-name resolution failed\n",
        "manifest for python:3.99-slim not found: manifest unknown: manifest unknown\n",
    ],
)
def test_base_image(log: str) -> None:
    assert name_cause(log).name == "base image missing"


def test_only_the_last_step_counts() -> None:
    log = "Step 1/3 : FROM x\nStep 2/3 : RUN a || true\nE: Unable to locate package x\nStep 3/3 : RUN b\nno space left on device\n"
    assert name_cause(log).name == "no space left"
    assert name_cause(log.replace("no space left on device", "oops")).name == "a step failed"


def test_last_lines() -> None:
    assert last_lines(["a", "", " ---> 1234", "b  ", "c"], 2) == "b\nc"
