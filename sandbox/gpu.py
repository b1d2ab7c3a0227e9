"""What a trial with `device: cuda` is shown of NVIDIA's driver. From the driver's and bubblewrap's documentation: it has not
been run on a machine with a GPU yet."""

import os
from pathlib import Path

from sandbox import lockdown

CONTROL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
DESCRIBED = ("/sys/module", "/sys/bus/pci/devices", "/sys/devices")  # CUDA looks the driver and the bus up here


def nodes() -> list[str]:
    """The device nodes there are: the cards and what controls them."""
    cards = sorted(str(node) for node in Path("/dev").glob("nvidia[0-9]*"))
    return [*cards, *(f"/dev/{name}" for name in CONTROL if os.path.exists(f"/dev/{name}"))] if cards else []


def words() -> list[str]:
    """bubblewrap's arguments, to come after --dev; none where there is no card."""
    found = nodes()
    if not found:
        return []
    modules = sorted(str(place) for place in Path("/sys/module").glob("nvidia*"))
    shown = [*modules, "/sys/bus/pci", "/sys/devices/pci0000:00", "/sys/devices/system"]
    return [word for node in found for word in ("--dev-bind", node, node)] + \
           [word for place in shown for word in ("--ro-bind-try", place, place)]


def rules() -> list[tuple[str, int]]:
    """Landlock: the nodes to read, write and control; the private /proc to write, as CUDA names its threads there."""
    own = [(node, lockdown.DEVICE) for node in nodes()]
    return [*own, *((place, lockdown.READ) for place in DESCRIBED), ("/proc", lockdown.READ | lockdown.WRITE_FILE)]
