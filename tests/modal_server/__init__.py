"""A Modal service on this machine, for tests: it speaks the released client's own protocol and runs real processes.

    from modal_server.fixtures import modal_server

    def test_driver(modal_server):
        modal_server.faults.break_stdio(times=2, after_bytes=1000)
        ...  # whatever uses modal in this process now comes here
        assert [sandbox.state for sandbox in modal_server.sandboxes] == [State.TERMINATED]

What it does not do: build images (every image is this machine's system, seen copy-on-write), limit memory or processors,
offer GPUs, functions, snapshots or tunnels. A sandbox whose network is open shares the network of this machine.
"""

from __future__ import annotations
