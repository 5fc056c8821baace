"""The system calls that no candidate needs, as a filter that bubblewrap loads."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

from pytest_isobench.errors import SandboxError

DENIED = (
    # other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "userfaultfd",
    # namespaces and mounts
    "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsmount", "fspick",
    "mount_setattr",
    # the kernel itself
    "bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register", "kexec_load", "kexec_file_load", "init_module",
    "finit_module", "delete_module", "open_by_handle_at", "keyctl", "add_key", "request_key", "syslog", "acct", "quotactl", "swapon",
    "swapoff",
)  # fmt: skip
FAMILIES = (1, 2, 10)
"""Socket families that stay: AF_UNIX, AF_INET and AF_INET6; a network namespace holds them, but not AF_VSOCK, for instance."""
NETLINK, ROUTE = 16, 0
"""The family and the protocol by which a process lists the interfaces of its network namespace."""
CLONE_NEWUSER = 0x10000000


class Filters(NamedTuple):
    """The files of a session's filters, by who is held to them."""

    build: Path
    candidate: Path
    gpu_user: Path


def obstacle() -> str | None:
    """Say what keeps this machine from making filters; None when nothing does."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        return f"no system call filter ({error}); apt install libseccomp2"
    del pyseccomp
    return None


def write_filter(path: Path, *, pinned: bool, lists_interfaces: bool = False) -> None:
    """Write the filter as a BPF program, readable by all.

    With `pinned` a process cannot choose its cores either, for machines where no control group holds it on them. With `lists_interfaces`
    it can list those of its network namespace, which libraries do through which GPUs talk to each other.

    Raises:
        SandboxError: libseccomp refuses.
    """
    import pyseccomp as seccomp

    refuse = seccomp.ERRNO(errno.EPERM)
    try:
        rules = seccomp.SyscallFilter(seccomp.ALLOW)
        for name in (*DENIED, "sched_setaffinity") if pinned else DENIED:
            rules.add_rule(refuse, name)
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER))
        # clone3 hides its flags in memory; libraries fall back to clone when it does not exist
        rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
        families = (*FAMILIES, NETLINK) if lists_interfaces else FAMILIES
        unknown = seccomp.ERRNO(errno.EAFNOSUPPORT)
        rules.add_rule(unknown, "socket", seccomp.Arg(0, seccomp.GT, max(families)))
        for family in sorted(set(range(max(families))) - set(families)):
            rules.add_rule(unknown, "socket", seccomp.Arg(0, seccomp.EQ, family))
        if lists_interfaces:
            rules.add_rule(unknown, "socket", seccomp.Arg(0, seccomp.EQ, NETLINK), seccomp.Arg(2, seccomp.NE, ROUTE))
        with path.open("wb") as file:
            rules.export_bpf(file)
    except (OSError, ValueError) as error:
        raise SandboxError(f"libseccomp could not make the filter {path}: {error}") from error
    path.chmod(0o644)
