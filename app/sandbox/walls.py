"""The walls around the process that parses strangers' files: another user, no network, few system calls, few files.

Each wall is the kernel's, and each is raised where this system has it; what could not be raised is told by ``missing``,
at start-up and by ``cherish doctor``, and never left unsaid. Standard library and libseccomp only; Linux only.

``surround`` is for the server process, once, before it has loaded anything and while it has one thread; ``shut`` for it
too, when all is loaded; ``enter`` for each of its children, which alone see a stranger's bytes.
"""

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.sandbox import landlock

USER, NETWORK, SYSTEM_CALLS, FILES = "user", "network", "system calls", "files"
WALLS = (USER, NETWORK, SYSTEM_CALLS, FILES)

# under root files are parsed as this user, whom no account and no file belongs to
_UID = 64_317
_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 4, 8, 38
_NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x04000000, 0x08000000, 0x10000000, 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522
# CAP_DAC_READ_SEARCH
_READ_EVERYWHERE = 1 << 2
# what a reader of files has no use for, and what leads out of a process
_DENIED = """
    accept accept4 bind connect listen socket
    execve execveat kill pidfd_getfd pidfd_open pidfd_send_signal process_madvise process_vm_readv process_vm_writev
    ptrace rt_sigqueueinfo rt_tgsigqueueinfo tkill
    chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_by_handle_at open_tree pivot_root setns
    umount2 unshare
    add_key bpf delete_module finit_module init_module io_uring_setup kexec_file_load kexec_load keyctl
    perf_event_open request_key userfaultfd
    acct quotactl reboot settimeofday sethostname setdomainname swapoff swapon
"""
# what an interpreter and its libraries look up while they work; code lies in the folders of sys.path
_READABLE = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    "/dev/zero",
)

_libc = ctypes.CDLL(None, use_errno=True)
_raised: set[str] = set()


@dataclass(frozen=True)
class Walls:
    """Which walls stand. ``root`` says that whoever asks for files to be parsed is root, whom Landlock alone does not
    keep from anything but files."""

    raised: tuple[str, ...]
    root: bool

    @property
    def missing(self) -> dict[str, str]:
        """What is missing, and what to do about it. Another user is needed under root only: an ordinary user's process
        can become nobody else, and is kept apart by the rest."""
        needed = WALLS if self.root else WALLS[1:]
        return {wall: _MENDS[wall] for wall in needed if wall not in self.raised}

    @property
    def hold(self) -> bool:
        """Whether what is missing leaves neither the network nor others' files and processes open."""
        return bool({NETWORK, SYSTEM_CALLS} & {*self.raised}) and bool({FILES, USER} & {*self.raised})

    @property
    def said(self) -> str:
        """The walls in a sentence's half, for people."""
        stand = ", ".join(wall for wall in WALLS if wall in self.raised) or "none"
        return f"walls: {stand}" + (f"; missing: {', '.join(self.missing)}" if self.missing else "")


_MENDS = {
    USER: "run the service as an ordinary user, or leave root CAP_SETUID and CAP_SETGID and its code open to others",
    NETWORK: "allow user namespaces to it (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone; in a "
    "container the seccomp profile decides); system calls are refused all the same where that wall stands",
    SYSTEM_CALLS: "install libseccomp (Debian: apt-get install libseccomp2), on a kernel with CONFIG_SECCOMP_FILTER",
    FILES: "use Linux 5.13 or newer with Landlock switched on (lsm=landlock,... on the kernel's command line)",
}


def hide() -> None:
    """Let no other process of this user read this one's environment or memory (root can). No core is dumped either."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def surround() -> None:
    """Leave the network behind. For a process of one thread."""
    if sys.platform != "linux":
        return
    apart = _NEW_NET | _NEW_IPC | _NEW_UTS
    # root needs no user namespace, and would lose the right to become another user in one
    if _libc.unshare(apart) == 0 or (os.geteuid() != 0 and _libc.unshare(apart | _NEW_USER) == 0):
        _raised.add(NETWORK)


def shut() -> None:
    """Refuse the system calls that lead out, to this process and all its children."""
    if sys.platform != "linux":
        return
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    try:
        # it looks for libseccomp when it is imported
        import pyseccomp
    except (ImportError, RuntimeError, OSError):
        return
    wall = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _DENIED.split():
        # an older libseccomp does not know the newest calls, which its kernel hardly has
        with contextlib.suppress(ValueError, OSError):
            wall.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    try:
        wall.load()
    except OSError:
        return
    _raised.add(SYSTEM_CALLS)


def enter(code: Sequence[str], descriptors: Sequence[int]) -> None:
    """Become nobody, who reads code and the files that are open as ``descriptors``, and opens no other file."""
    if sys.platform != "linux":
        return
    if landlock.version():
        with contextlib.suppress(OSError):
            landlock.restrict([*_READABLE, *code], descriptors)
            _raised.add(FILES)
    if os.geteuid() == 0:
        _become_nobody(code, descriptors)
    else:
        # those of a user namespace
        _keep_capabilities(0)


def raised() -> tuple[str, ...]:
    """The walls that stand around this process."""
    return tuple(wall for wall in WALLS if wall in _raised)


def _become_nobody(code: Sequence[str], descriptors: Sequence[int]) -> None:
    """Where Landlock stands, nobody may read what lies in root's own folders: it says which files those are. Elsewhere
    code or a file that only root can read keeps the process root's, without a capability."""
    everywhere = FILES in _raised
    if everywhere or (all(map(_open_to_all, code)) and all(os.fstat(each).st_mode & 0o004 for each in descriptors)):
        with contextlib.suppress(OSError):
            _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
            os.setgroups([])
            os.setresgid(_UID, _UID, _UID)
            os.setresuid(_UID, _UID, _UID)
            _raised.add(USER)
    _keep_capabilities(_READ_EVERYWHERE if everywhere else 0)


def _open_to_all(path: str) -> bool:
    """Whether anybody may pass through the folders that lead to a path."""
    try:
        return all(os.stat(folder).st_mode & 0o001 for folder in Path(path).resolve().parents)
    except OSError:
        return True


def _keep_capabilities(kept: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted and inheritable ones, of the first 32 and of the others
    _libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)))
