"""Linux's timerfd (timerfd_create(2)), which Python's os module has only from 3.13 on."""

from __future__ import annotations

import ctypes
import os

_TFD_TIMER_ABSTIME = 1
_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_CLOEXEC = os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


def create(clock_id: int) -> int | None:
    """A non-blocking timerfd on that clock; None where the kernel or libc has none."""
    if not hasattr(_libc, "timerfd_create"):
        return None
    fd: int = _libc.timerfd_create(clock_id, _TFD_NONBLOCK | _TFD_CLOEXEC)
    return fd if fd >= 0 else None


def settime(fd: int, deadline: float) -> None:
    """Fire at the absolute `deadline` in seconds; 0.0 disarms. Raises OSError."""
    seconds = int(deadline)
    nanoseconds = int((deadline - seconds) * 1e9)
    spec = _Itimerspec(_Timespec(0, 0), _Timespec(seconds, nanoseconds))
    if _libc.timerfd_settime(fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
