"""What waits on a test's loop does not notice that the machine was busy."""

import asyncio
import os
import subprocess
import sys
import time

from tests.patience import PatientLoop, Stopwatch, now_ns

FROZEN_S = 0.6
THAW = """
import os, signal, sys, time
pid = int(sys.argv[1])
os.kill(pid, signal.SIGSTOP)
time.sleep(float(sys.argv[2]))
os.kill(pid, signal.SIGCONT)
"""


async def test_a_timer_waits_for_a_process_that_is_frozen() -> None:
    loop, fired = asyncio.get_running_loop(), asyncio.Event()
    assert isinstance(loop, PatientLoop)
    loop.call_later(0.3, fired.set)
    began, wall, clock = loop.time(), time.monotonic(), now_ns()
    thaw = await asyncio.create_subprocess_exec(
        sys.executable, "-c", THAW, str(os.getpid()), str(FROZEN_S)
    )
    await fired.wait()
    assert await thaw.wait() == 0
    assert time.monotonic() - wall >= FROZEN_S
    assert time.monotonic() - wall - (loop.time() - began) > FROZEN_S / 2
    assert now_ns() - clock < (loop.time() - began) * 1e9 + 1e6


def test_a_stopwatch_stands_still_while_it_is_frozen() -> None:
    wall = time.monotonic()
    with Stopwatch() as watch:
        subprocess.run([sys.executable, "-c", THAW, str(os.getpid()), str(FROZEN_S)], check=True)
    assert 0.0 < watch.elapsed_s < time.monotonic() - wall - FROZEN_S / 2


def test_a_stopwatch_counts_what_was_waited_for() -> None:
    with Stopwatch() as watch:
        time.sleep(0.25)
    assert watch.elapsed_s >= 0.2


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(1))
    writer.close()
    await writer.wait_closed()


async def test_work_that_takes_long_makes_nothing_late() -> None:
    """The answer needs several turns of the loop after a pause longer than its deadline."""
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        async with asyncio.timeout(0.3):
            writer.write(b"x")
            time.sleep(0.5)  # noqa: ASYNC251 - the machine is busy
            assert await reader.read(1) == b"x"
        writer.close()
        await writer.wait_closed()
