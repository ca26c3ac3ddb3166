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
    before, ids, end = os.sched_getaffinity(0), [], threading.Event()

    def wait():
        ids.append(threading.get_native_id())
        end.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    while not ids:
        pass
    with on_cores(1):
        assert [len(os.sched_getaffinity(k)) for k in (0, *ids)] == [1, 1]
    assert [os.sched_getaffinity(k) for k in (0, *ids)] == [before, before]
    end.set()
    thread.join()


@pytest.mark.parametrize("cores", [0, 10_000, 1.5])
def test_other_numbers_are_refused(cores):
    with pytest.raises(InputError, match="cores: expected 1 to "), on_cores(cores):
        pass
