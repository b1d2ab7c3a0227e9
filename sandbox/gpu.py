"""What a trial with `device: cuda` is shown of NVIDIA's driver, and what its environment says: the cards' device nodes, the
driver's libraries, where the kernel describes the bus; nothing else of the machine. From the documentation of the driver, of
CUDA and of bubblewrap: it has been tried with stand-ins for the nodes, not on a machine with a GPU.

Which node is which of CUDA's numbers cannot be told from the names, so all cards are shown and CUDA_VISIBLE_DEVICES of the
agent is passed on. Memory of a card is limited by nobody.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from sandbox import lockdown

DEV = Path("/dev")
CONTROL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps/nvidia-cap*", "dxg")
# Where libcuda.so.1 lies when the loader's own list does not have it: Windows' Linux, containers, NixOS.
FOLDERS = ("/usr/lib/wsl/lib", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/run/opengl-driver/lib",
           "/run/nvidia/driver/usr/lib/x86_64-linux-gnu", "/run/nvidia/driver/usr/lib64")
VISIBLE = "CUDA_VISIBLE_DEVICES"
SHOWN = ("/sys/bus/pci", "/sys/devices/system")  # CUDA looks the bus, processors and their memory up here


def nodes(dev: Path = DEV) -> list[str]:
    """The device nodes there are: the cards and what controls them. None where there is no card, or where the agent's own
    CUDA_VISIBLE_DEVICES hides all of them."""
    cards = [*dev.glob("nvidia[0-9]"), *dev.glob("nvidia[0-9][0-9]"), *dev.glob("dxg")]
    if not cards or os.environ.get(VISIBLE, "all") in ("", "-1", "none", "void", "NoDevFiles"):
        return []
    found = {*cards, *(node for name in CONTROL for node in dev.glob(name))}
    return sorted(str(node) for node in found if stat.S_ISCHR(node.stat().st_mode))


def cards() -> int:
    """How many there are."""
    return sum(re.fullmatch(r"nvidia\d+|dxg", Path(node).name) is not None for node in nodes())


def folders() -> list[str]:
    """Where the driver's libraries lie apart from the loader's own places."""
    said = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [place for place in dict.fromkeys((*said, *FOLDERS)) if place and Path(place, "libcuda.so.1").exists()]


def words() -> list[str]:
    """bubblewrap's arguments, to come after --dev; none where there is no card."""
    found = nodes()
    if not found:
        return []
    described = [*_described(), *SHOWN, *(place for place in folders() if not place.startswith("/usr/"))]
    return [word for node in found for word in ("--dev-bind", node, node)] + \
           [word for place in described for word in ("--ro-bind-try", place, place)] + \
           [word for name, value in server_environment().items() for word in ("--setenv", name, value)]


def _described() -> list[str]:
    places = [*Path("/sys/module").glob("nvidia*"), *Path("/sys/devices").glob("pci*")]
    return sorted(map(str, places))


def rules(*, private_proc: bool) -> list[tuple[str, int]]:
    """Landlock: the nodes to read, write and control, the libraries to run. CUDA names its threads in /proc, which may be
    written as a whole only where it shows nothing but the trial."""
    own = [(node, lockdown.DEVICE) for node in nodes()]
    own += [(place, lockdown.RUN) for place in folders()]
    own += [(place, lockdown.READ) for place in (*_described(), *SHOWN)]
    if private_proc:
        return [*own, ("/proc", lockdown.READ | lockdown.WRITE_FILE)]
    return [*own, ("/proc/self/task", lockdown.READ | lockdown.WRITE_FILE), ("/proc/driver/nvidia", lockdown.READ),
            ("/proc/devices", lockdown.READ)]


def server_environment() -> dict[str, str]:
    """For the fork server: the loader reads its path when a program starts, not when a library is looked for."""
    return {"LD_LIBRARY_PATH": ":".join(folders())} if nodes() and folders() else {}


def environment(*, shown: bool) -> Mapping[str, str]:
    """For a trial: which cards it has, none unless they are shown. What CUDA compiles is not kept: the next trial would run
    what this one left."""
    if not shown or not nodes():
        return {VISIBLE: ""}
    chosen = {VISIBLE: os.environ[VISIBLE]} if VISIBLE in os.environ else {}
    return {**chosen, **server_environment(), "CUDA_CACHE_DISABLE": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def closed(found: list[str]) -> list[str]:
    """Nodes that a trial's user could not open."""
    wanted = stat.S_IROTH | stat.S_IWOTH
    if os.getuid() != 0:
        return [node for node in found if not os.access(node, os.R_OK | os.W_OK)]
    return [node for node in found if os.stat(node).st_mode & wanted != wanted]


def cards_on_the_bus() -> int:
    """How many of NVIDIA's cards the machine has, whether there is a driver or not."""
    found = 0
    for place in Path("/sys/bus/pci/devices").glob("*"):
        try:
            vendor, kind = (place / "vendor").read_text().strip(), (place / "class").read_text()
        except OSError:
            continue
        found += vendor == "0x10de" and kind.startswith("0x03")
    return found
