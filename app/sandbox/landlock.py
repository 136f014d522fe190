"""Landlock: which files a process may still open, and that it may reach no TCP port, kept by the Linux kernel.

The kernel has no Python binding that is kept, so its three calls are made here. Source: the kernel's
``Documentation/userspace-api/landlock.rst``.
"""

import ctypes
import os
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_BENEATH_PATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# rights that a version of the kernel's interface knows: 13 at first, then renaming between folders (2), truncation (3),
# commands to devices (5)
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_O_PATH = 0o10000000


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scope", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("descriptor", ctypes.c_int32)]


def version() -> int:
    """The version of the kernel's interface; 0 where there is no Landlock, or it is switched off."""
    try:
        return _call(_CREATE_RULESET, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(folders: Iterable[str], descriptors: Iterable[int]) -> None:
    """From now on this process reads what is beneath these folders (or is one of these files), and what the open
    ``descriptors`` name, and opens no other file for anything. Raises OSError; needs no_new_privs."""
    known = version()
    rules = _Ruleset(
        (1 << _FILE_RIGHTS[min(known, 5)]) - 1,
        _TCP_BIND_AND_CONNECT if known >= 4 else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if known >= 6 else 0,
    )
    # older kernels take a shorter structure, and refuse members that they do not know only where they are not zero
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    try:
        for folder in folders:
            _allow_path(ruleset, folder)
        for descriptor in descriptors:
            _allow(ruleset, descriptor, _READ_FILE)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow_path(ruleset: int, path: str) -> None:
    try:
        descriptor = os.open(path, _O_PATH | os.O_CLOEXEC)
    except OSError:
        # what is not there needs no permission
        return
    try:
        _allow(ruleset, descriptor, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))
    finally:
        os.close(descriptor)


def _allow(ruleset: int, descriptor: int, rights: int) -> None:
    _call(_ADD_RULE, ruleset, _BENEATH_PATH, ctypes.byref(_Beneath(rights, descriptor)), 0)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *passed))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
