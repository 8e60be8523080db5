"""Jobs on several processes: order, failures by name, and nobody left behind."""

import os
import signal
from multiprocessing import active_children

import pytest

from mm.commands.parallel import JobError, run_all


def square(number: int) -> int:
    return number * number


def divide(number: int) -> float:
    return 1 / number


def die_at_zero(number: int) -> int:
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_or_stop_the_parent(number: int) -> None:
    """One process sends the parent what `kill` sends; the other would not end by itself."""
    if number:
        os.kill(os.getppid(), signal.SIGTERM)
    signal.pause()


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    assert run_all(square, range(7), workers, "squares") == [0, 1, 4, 9, 16, 25, 36]
    assert not active_children()


def test_no_jobs_no_results() -> None:
    assert run_all(square, [], 2, "squares") == []


def test_an_exception_names_its_job_and_keeps_its_traceback() -> None:
    with pytest.raises(JobError) as caught:
        run_all(divide, [3, 0, 2], 2, "quotients")

    assert str(caught.value) == "0: ZeroDivisionError: division by zero"
    assert "in divide" in caught.value.__notes__[0]
    assert not active_children()


def test_a_process_that_dies_names_its_job() -> None:
    with pytest.raises(JobError, match=r"^0: its process died"):
        run_all(die_at_zero, [1, 2, 0], 2, "numbers")

    assert not active_children()


def test_a_request_to_stop_ends_all_at_once() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run_all(wait_or_stop_the_parent, [0, 1], 2, "pauses")

    assert not active_children()
    assert signal.getsignal(signal.SIGTERM) is before
