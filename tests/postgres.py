"""A PostgreSQL cluster of the tests' own, from Debian's package: made, started and removed here, on a socket only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def program(name: str) -> str:
    """The path of initdb or pg_ctl. Debian keeps them out of PATH."""
    found = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    on_path = shutil.which(name)
    assert found or on_path, f"{name} is missing: run tests/install.sh as root (it installs the package postgresql)"
    return found[-1] if found else str(on_path)


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of a fresh database. PostgreSQL does not run as root: there, it runs as the user that its package made."""
    folder = Path(tempfile.mkdtemp(prefix="medalist-postgres-"))
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data, sockets = folder / "data", f"-k {folder} -c listen_addresses= -c fsync=off"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder,
                       **({"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}))

    run(program("initdb"), "-D", str(data), "-U", "medalist", "-A", "trust", "-E", "UTF8", "--no-sync")
    run(program("pg_ctl"), "-D", str(data), "-w", "-t", "120", "-l", str(folder / "log"), "-o", sockets, "start")
    try:
        yield f"postgresql://medalist@/postgres?host={folder}"
    finally:
        run(program("pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)
