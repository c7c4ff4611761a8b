"""What survives: kills at any point, torn files, full disks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ledger import Ledger, LedgerError, Record

WRITER = """
import sys
from ledger import Ledger, Record
with Ledger.open(sys.argv[1], flush_s=0.02) as ledger:
    first = sum(ledger.counts().values()) // 2
    print("open", ledger.ignored, flush=True)
    for number in range(first, first + 100000):
        pair = [Record(f"{number}{end}", {"n": number, "blob": bytes([number % 256]) * 3000}) for end in "ab"]
        ledger.append(pair)
        if number % 3 == 0:
            ledger.flush()
            print(number, flush=True)
        if number % 7 == 0:
            ids = ledger.claim(2, 60, "writer")
            ledger.settle(ids, "trained", metadata={"settled": number})
            print("settled", number, flush=True)
"""


def run(code: str, folder: Path, **more: object) -> subprocess.Popen[str]:
    environment = dict(os.environ, PYTHONPATH=os.getcwd())
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        stdout=subprocess.PIPE, text=True, env=environment, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def test_every_acknowledged_record_survives_kill_9(tmp_path: Path) -> None:
    folder, delays = tmp_path / "ledger", random.Random(0)
    acknowledged, settled = -1, -1
    for _ in range(8):
        writer = run(WRITER, folder)
        assert writer.stdout is not None
        assert writer.stdout.readline().startswith("open")
        heard = [writer.stdout.readline() for _ in range(delays.randint(1, 12))]
        time.sleep(delays.uniform(0.0, 0.02))
        writer.send_signal(signal.SIGKILL)
        for line in heard + writer.stdout.readlines():
            if line.endswith("\n") and line.startswith("settled"):
                settled = max(settled, int(line.split()[1]))
            elif line.endswith("\n"):
                acknowledged = max(acknowledged, int(line))
        writer.wait()
        with Ledger.open(folder) as ledger:
            counts = ledger.counts()
            assert counts["claimed"] == 0
            assert counts["failed"] == 0
            assert not ledger.lost
            found = [record for batch in ledger.scan() for record in batch]
            numbers = {record.columns["n"] for record in found}
            assert numbers >= set(range(acknowledged + 1)), "an acknowledged record is missing"
            assert len(found) == 2 * len(numbers), "an append became visible by halves"
            assert all(r.columns["blob"] == bytes([r.columns["n"] % 256]) * 3000 for r in found)
            assert (ledger.metadata("settled") or -1) >= settled, "a settlement and its metadata parted"
            first = len(found)
    assert acknowledged > 20
    assert first > 40


def test_durable_within_a_second_without_a_flush(tmp_path: Path) -> None:
    writer = run(
        """
        import sys, time
        from ledger import Ledger, Record
        ledger = Ledger.open(sys.argv[1])
        ledger.append([Record("only", {"n": 1})])
        print("appended", flush=True)
        time.sleep(60)
        """,
        tmp_path,
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(1.0)
    writer.kill()
    writer.wait()
    with Ledger.open(tmp_path) as ledger:
        assert ledger.states(["only"]) == ["produced"]


def test_an_unfinished_segment_is_ignored_and_named(tmp_path: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.append([Record("a", {"n": 1})])
    (tmp_path / "segments" / "00000002.parquet").write_bytes(b"PAR1 torn")
    (tmp_path / "segments" / "00000003.tmp").write_bytes(b"to")
    with Ledger.open(tmp_path) as ledger:
        assert ledger.ignored == ("00000002.parquet", "00000003.tmp")
        ledger.append([Record("b", {"n": 2})])
        assert [r.columns["n"] for r in ledger.read(["a", "b"])] == [1, 2]
    with Ledger.open(tmp_path) as ledger:
        assert ledger.ignored == ()


def test_lost_bytes_fail_their_open_records_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.append([Record("a", {"n": 1}), Record("b", {"n": 2})])
        ledger.settle(ledger.claim(1, 60, "x"), "trained")
        ledger.append([Record("c", {"n": 3})])
    segment = tmp_path / "segments" / "00000001.parquet"
    segment.write_bytes(segment.read_bytes()[:-10])
    for _ in range(2):
        with Ledger.open(tmp_path) as ledger:
            assert ledger.states(["a", "b", "c"]) == ["trained", "failed", "produced"]
            assert ledger.reasons() == {("failed", "segment 1 is torn"): 1}
            assert ledger.draw(0, 0, 9) == ["c"]
            assert [r.columns["n"] for batch in ledger.scan() for r in batch] == [3]
            with pytest.raises(LedgerError, match="restore it from a copy"):
                ledger.read(["a"])
    assert "00000001.parquet are gone or torn" in caplog.text


@pytest.mark.parametrize("limit_kb", [150, 330])
def test_a_full_disk_is_a_sentence_and_nothing_is_half_written(tmp_path: Path, limit_kb: int) -> None:
    """A limit on file size stands in for the disk: it stops the segment (150) or SQLite's log (330)."""
    writer = run(
        f"""
        import os, resource, sys
        from ledger import Ledger, LedgerError, Record
        ledger = Ledger.open(sys.argv[1], flush_s=60)
        def batch(first, size):
            return [Record(str(n), {{"n": n, "blob": os.urandom(size)}}) for n in range(first, first + 20)]
        ledger.append(batch(0, 100)); ledger.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_kb} * 1024, resource.RLIM_INFINITY))
        acknowledged, size = 20, 20_000 if {limit_kb} < 200 else 10
        while True:
            try:
                ledger.append(batch(acknowledged, size)); ledger.flush()
                acknowledged += 20
            except LedgerError as error:
                print(acknowledged, error, flush=True)
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(sum(ledger.counts().values()), len(os.listdir(ledger.segments)), flush=True)
        os._exit(0)
        """,
        tmp_path,
    )
    assert writer.stdout is not None
    told, after = writer.stdout.read().splitlines()
    acknowledged, sentence = told.split(" ", 1)
    assert "free some space" in sentence
    assert int(acknowledged) >= 20
    records, segments = map(int, after.split())
    assert records == int(acknowledged) + 20, (
        "what could not be stored is kept, and stored when there is room"
    )
    with Ledger.open(tmp_path) as ledger:
        assert ledger.ignored == ()
        assert sum(ledger.counts().values()) == records
        assert sum(len(batch) for batch in ledger.scan()) == records
        assert segments == len(list(ledger.segments.iterdir()))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger.open(tmp_path / "file" / "ledger")
