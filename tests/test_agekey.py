"""Where the age key comes from."""

import os
from pathlib import Path

from generator import agekey


def test_a_key_that_a_shell_gives_through_a_pipe_can_be_loaded_again(monkeypatch):
    key = agekey.new()
    reading, writing = os.pipe()
    os.write(writing, f"{key}\n".encode())
    os.close(writing)
    monkeypatch.setenv(agekey.VARIABLE, f"/dev/fd/{reading}")
    loaded = [agekey.public(agekey.load(Path("cluster.secrets.age"))) for _ in range(2)]
    assert loaded == [[agekey.recipient(key)]] * 2
    os.close(reading)
