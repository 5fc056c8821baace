"""A Modal service on this machine, for tests: it speaks the released client's own protocol and runs real processes.

    from modal_server.fixtures import modal_server

    def test_driver(modal_server):
        modal_server.faults.break_stdio(times=2, after_bytes=1000)
        ...  # whatever uses modal in this process now comes here
        assert [sandbox.state for sandbox in modal_server.sandboxes] == [State.TERMINATED]

What it does not do: build images (every image is this machine's system, seen copy-on-write), limit memory or processors,
offer GPUs, functions, snapshots or tunnels. A sandbox whose network is open shares the network of this machine.

Not known of the real service, and chosen here: a program that is not there ends with 127; a call about an ended sandbox finds its
processes, dead by signal 9 (or nothing, with `faults.forget_ended`); a V2 sandbox without capacity is created, and its first exec
waits; input that a process does not read holds `drain` up; whoever inherits a process's output keeps that stream open.
"""

from __future__ import annotations
