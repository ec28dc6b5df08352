"""How the thread that answers shares a processor and the interpreter with other threads."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import threading

import pytest

from callflows.web import answering_thread
from callflows.web.answering_thread import SLICE_NANOSECONDS, request_short_slice
from waiting import join_thread

GET_CALL_NUMBERS = {"x86_64": 315, "aarch64": 275}
needs_linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in GET_CALL_NUMBERS, reason="only Linux has slices to ask for"
)


def read_slice():
    """The slice of the current thread in nanoseconds; 0 on Linux before 6.12."""
    attributes = ctypes.create_string_buffer(48)
    assert ctypes.CDLL(None).syscall(GET_CALL_NUMBERS[platform.machine()], 0, attributes, 48, 0) == 0
    return struct.unpack("=IIQiIQQQ", attributes.raw)[5]


def run_in_thread(work):
    """What the work returns in a thread of its own, so that the thread of the tests stays as it is."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    join_thread(thread)
    return found[0]


def has_slices():
    """True if this Linux lets threads choose a slice: then an ordinary one can be read, too."""
    release = platform.release().split(".")
    return (int(release[0]), int(release[1].partition("-")[0])) >= (6, 12)


@needs_linux
def test_the_thread_that_answers_has_a_short_slice_and_the_threads_that_it_starts_have_not():
    def work():
        before = read_slice()
        taken, again = request_short_slice(), request_short_slice()
        return taken, again, before, read_slice(), run_in_thread(read_slice)

    taken, again, before, own, others = run_in_thread(work)
    assert (taken, again) == (True, True)
    assert others == before
    if has_slices():
        assert own == SLICE_NANOSECONDS < before


@needs_linux
def test_a_server_that_was_started_with_less_priority_keeps_it():
    def work():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 7)
        request_short_slice()
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert run_in_thread(work) == 7


def test_another_system_has_no_slice_to_ask_for(monkeypatch):
    monkeypatch.setattr(answering_thread.platform, "machine", lambda: "z80")
    assert not request_short_slice()
