"""What large pictures took is given back, so that memory does not grow with what was sent once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STATUS = Path("/proc/self/status")

# Pictures of 12 megapixels, two at a time, in threads that live on, as the service decodes them.
CODE = """
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
import sys
from service.imaging import decode
from service.memory import return_large_blocks
from tests.phantom import phantom

def resident_mib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024

buffer = BytesIO()
phantom(1, (400, 300)).convert("RGB").resize((4000, 3000)).save(buffer, "JPEG")
assert return_large_blocks()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(decode, [buffer.getvalue()]))  # what a first decode loads stays
    before = resident_mib()
    for _ in range(4):
        assert [r.width for r in pool.map(decode, [buffer.getvalue()] * 2)] == [4000, 4000]
    print(resident_mib() - before)
"""


@pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read from /proc")
@pytest.mark.skipif(sys.platform != "linux", reason="the setting is glibc's")
def test_decoding_large_pictures_leaves_nothing_behind() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert int(run.stdout) < 24
