"""A Modal service on this machine, for tests: it speaks the released client's own protocol and runs real processes.

What it does not do: build images (every image is this machine's system, seen copy-on-write), limit memory or processors,
offer GPUs, functions, snapshots or tunnels. A sandbox whose network is open shares the network of this machine.
"""

from __future__ import annotations
