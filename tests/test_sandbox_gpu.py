"""What a trial sees of a GPU. There is none where these tests run: harmless devices stand in for NVIDIA's nodes, in a /dev
that bubblewrap makes for the test alone; whether CUDA is content with it is not tested."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import gpu, launch, lockdown
from sandbox.places import hidden, prefixes

ATTACKS = Path(__file__).parent / "attacks"
STAND_INS = ("nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-modeset", "sdz")
DEVICES = (Path("/dev/fuse"), Path("/dev/net/tun"))  # no trial is given one
NO_TERMINAL, DENIED, NOTHING = 25, 13, 2  # what its control answers; the walls; what is not there
TRIES = f"""import fcntl, json, os
def fit_predict(train, target, predict, task):
    seen = {{}}
    for name in {STAND_INS!r}:
        try:
            fcntl.ioctl(os.open("/dev/" + name, os.O_RDWR), 0x5401, bytes(64))
        except OSError as error:
            seen[name] = error.errno
    for name, place in (("thread", f"/proc/self/task/{{os.getpid()}}/comm"), ("kernel", "/proc/sys/kernel/core_pattern")):
        try:
            seen[name] = os.close(os.open(place, os.O_WRONLY)) is None
        except OSError as error:
            seen[name] = False
    told = {{name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_CACHE_DISABLE")}}
    print(json.dumps({{**seen, **told}}))
    return [0.0] * len(predict)
"""
HOST = f"""
import sys
sys.path[:0] = {[str(ATTACKS), str(ATTACKS.parents[1])]!r}
from world import world
from sandbox import Limits
from sandbox.host import Host
from sandbox.walls import FALLBACK, NAMESPACES
walls = FALLBACK if "fallback" in sys.argv else NAMESPACES
with world() as place, Host((), walls=walls) as host:
    for device in ("cuda", "cpu"):
        trial = host.run({TRIES!r}, inputs=place.inputs, limits=Limits(120, 1 << 30, 64 << 20), shape=(20,),
                         card={{**place.card, "device": device}})
        print(trial.log if trial.status == "ok" else trial)
"""


def stand_in(folder: Path) -> Path:
    """A device that everybody may open; where the machine's are root's alone, root makes one that is not."""
    device = next(path for path in DEVICES if path.exists())
    if os.getuid() or device.stat().st_mode & 0o666 == 0o666:
        return device
    os.mknod(folder / "device", stat.S_IFCHR | 0o666, device.stat().st_rdev)
    (folder / "device").chmod(0o666)
    return folder / "device"


def seen(way: str, device: Path, **environment: str) -> list[dict[str, object]]:
    """What a trial with a GPU and one without see where stand-ins lie in /dev."""
    binds = [word for name in STAND_INS for word in ("--dev-bind", str(device), f"/dev/{name}")]
    words = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--cap-add", "ALL", *binds,
             sys.executable, "-c", HOST, way]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


@pytest.mark.parametrize("way", ["namespaces", "fallback"])
def test_a_trial_with_a_gpu_is_shown_its_nodes_and_no_other_device(way: str, tmp_path: Path) -> None:
    if way == "fallback" and os.getuid() == 0 and hidden(prefixes()):
        return  # the interpreter lies where other users may not go: there is no fallback here
    cuda, cpu = seen(way, stand_in(tmp_path), CUDA_VISIBLE_DEVICES="0")
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        assert (cuda[name], cpu[name]) == (NO_TERMINAL, DENIED), (cuda, cpu)
    absent = NOTHING if way == "namespaces" else DENIED
    assert cuda["sdz"] == cpu["sdz"] == cuda["nvidia-modeset"] == absent, (cuda, cpu)
    names = ("CUDA_VISIBLE_DEVICES", "CUDA_CACHE_DISABLE", "thread", "kernel")
    assert [cuda[name] for name in names] == ["0", "1", True, False]
    assert [cpu[name] for name in names] == ["", None, False, False]


def test_cards_and_what_controls_them_are_found_and_nothing_where_there_is_no_card(tmp_path: Path) -> None:
    def link(name: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to("/dev/null")

    for name in ("nvidiactl", "nvidia-uvm", "nvidia-caps/nvidia-cap1", "kmsg", "nvidia-modeset"):
        link(name)
    assert gpu.nodes(tmp_path) == []
    for name in ("nvidia0", "nvidia11"):
        link(name)
    (tmp_path / "nvidia7").write_text("a file, not a device")
    names = ["nvidia-caps/nvidia-cap1", "nvidia-uvm", "nvidia0", "nvidia11", "nvidiactl"]
    assert gpu.nodes(tmp_path) == [f"{tmp_path}/{name}" for name in names]


@pytest.mark.parametrize("said", ["", "-1"])
def test_an_agent_from_which_all_cards_are_hidden_shows_none(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia0").symlink_to("/dev/null")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert gpu.nodes(tmp_path) == []


def test_the_drivers_libraries_are_shown_where_the_loader_does_not_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libcuda.so.1").touch()
    (tmp_path / "nvidia0").symlink_to("/dev/null")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{tmp_path}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu.nodes, "__defaults__", (tmp_path,))
    words = " ".join(launch.bubblewrap())
    assert f"--ro-bind-try {tmp_path} {tmp_path}" in words and f"--setenv LD_LIBRARY_PATH {tmp_path}" in words
    assert f"--dev-bind {tmp_path}/nvidia0 {tmp_path}/nvidia0" in words
    assert (str(tmp_path), lockdown.RUN) in gpu.rules(private_proc=True)
    assert gpu.environment(shown=True)["LD_LIBRARY_PATH"] == str(tmp_path)
