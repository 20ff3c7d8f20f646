"""Workers that cannot begin, and a person who stops what they work for: one sentence, and no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from adapters.workers import Pool, Range, WorkerFailed
from tests.own_server import eventually

TOP = Path(__file__).parents[2]
SLOW = "import sys; sys.stdin.read()\n"
STOPPED = """
import sys
from adapters.workers import Pool, Range
try:
    Pool("slow", {}, lambda one, answer: None).run([Range(1, 1, 1)] * 4, 2)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_given_a_worker_that_cannot_begin_then_the_answer_says_why_and_nothing_else_is_said(
    capfd: pytest.CaptureFixture[str],
) -> None:
    task = {"conninfo": "host=/nowhere connect_timeout=1", "schema": "book", "reprojection_no": 1}
    task = {**task, "table_oid": 1, "upto": 1, "change": []}
    with pytest.raises(WorkerFailed, match=r"OperationalError: .*/nowhere"):
        Pool("adapters.valuing", task, lambda one, answer: None).run([Range(1, 1, 1)], 1)
    assert capfd.readouterr().err == ""


def test_given_ctrl_c_at_a_terminal_then_the_workers_end_with_their_parent_and_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        env={**os.environ, "PYTHONPATH": f"{TOP}{os.pathsep}{tmp_path}"},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    workers: list[psutil.Process] = []

    def two_work() -> bool:
        workers[:] = psutil.Process(process.pid).children()
        return len(workers) == 2

    eventually(two_work, "both workers are there")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, b"")
    assert not any(worker.is_running() for worker in workers)
