"""All threads of the process stay on the cores that they are given."""

import os
import threading

import pytest

from benchmarks.cores import on_cores
from daa import InputError

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="only Linux keeps threads on cores"
)


def test_every_thread_is_kept_on_them_and_set_free_again():
    before, end = os.sched_getaffinity(0), threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    ids = (0, thread.native_id)
    with on_cores(1):
        assert [len(os.sched_getaffinity(k)) for k in ids] == [1, 1]
    assert [os.sched_getaffinity(k) for k in ids] == [before, before]
    end.set()
    thread.join()


@pytest.mark.parametrize("cores", [0, 10_000, 1.5])
def test_other_numbers_are_refused(cores):
    with pytest.raises(InputError, match="cores: expected 1 to "), on_cores(cores):
        pass
