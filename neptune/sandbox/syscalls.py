"""Which calls of the kernel the child may make: a list of those allowed, all others are refused.

Python with NumPy, OpenCV and matplotlib needs no more than these. There is no call that makes a process or a thread, a
socket, a mount, a namespace, or memory that the limits do not count.
"""

from __future__ import annotations

import errno
from typing import Any

from neptune.errors import MissingExtraError

_FILES = """
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 open openat openat2 creat close
    close_range stat fstat lstat newfstatat statx access faccessat faccessat2 lseek dup dup2 dup3 fcntl flock fsync
    fdatasync truncate ftruncate fallocate getdents getdents64 getcwd chdir fchdir rename renameat renameat2 mkdir
    mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink readlinkat chmod fchmod fchmodat umask
    utimensat utime utimes sendfile copy_file_range statfs fstatfs fadvise64
"""
_MEMORY = "mmap munmap mremap mprotect madvise brk mincore msync membarrier"
_PROCESS = """
    futex set_robust_list get_robust_list set_tid_address rseq gettid arch_prctl sched_yield sched_getaffinity
    sched_getparam sched_getscheduler getcpu getpid getppid getuid geteuid getgid getegid getgroups getresuid getresgid
    getpgrp getpgid getsid uname sysinfo getrusage getrlimit setrlimit prlimit64 getpriority getrandom execve exit
    exit_group wait4 waitid restart_syscall
"""
_SIGNALS = """
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack kill tgkill pause
    alarm setitimer getitimer
"""
_TIME = "clock_gettime clock_getres clock_nanosleep gettimeofday time nanosleep times"
_WAITING = """
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd2 pipe
    pipe2
"""
ALLOWED = tuple(" ".join((_FILES, _MEMORY, _PROCESS, _SIGNALS, _TIME, _WAITING)).split())
"""Calls allowed with any arguments, by name."""

TERMINAL_QUESTIONS = (0x5401, 0x5413, 0x541B, 0x5450, 0x5451)
"""What ``ioctl`` may be asked: whether a file is a terminal, its size, what waits to be read, closing on exec."""
NAMES_OF_THREADS = (15, 16, 0x53564D41)
"""What ``prctl`` may be asked: the name of the process, and names of its memory."""


def write_filter(file: Any) -> None:
    """Write the filter to an open file, as the kernel reads it.

    Raises
    ------
    MissingExtraError
        If libseccomp or its Python binding is missing.
    """
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtraError(
            "libseccomp, or its Python binding pyseccomp, is not installed; the sandbox filters calls by it",
            where="sandbox",
            hint='Install both: apt install libseccomp2 && pip install "neptune-reasoner[sandbox]"',
        ) from error
    made = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in ALLOWED:
        _rule(made, seccomp, seccomp.ALLOW, name)
    for name, questions in (("ioctl", TERMINAL_QUESTIONS), ("prctl", NAMES_OF_THREADS)):
        position = 1 if name == "ioctl" else 0
        for question in questions:
            _rule(made, seccomp, seccomp.ALLOW, name, seccomp.Arg(position, seccomp.EQ, question))
    # "Not there" and not "refused": the C library then tries `clone`, whose refusal it understands.
    _rule(made, seccomp, seccomp.ERRNO(errno.ENOSYS), "clone3")
    made.export_bpf(file)
    file.flush()


def _rule(made: Any, seccomp: Any, action: Any, name: str, *arguments: Any) -> None:
    """Add a rule; a call that this machine's kind of processor, or its libseccomp, does not know needs none."""
    try:
        known = seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0
    except (ValueError, OSError):
        known = False
    if known:
        made.add_rule(action, name, *arguments)
