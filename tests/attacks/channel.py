"""Attacks by which a trial would tell another something, or get out of its walls by a way that looks harmless. A trial knows
the labels of its own rows, and some of them are what another trial of the same solution is to predict."""


@attack
def tells_others_by_a_lock_on_a_file(task: Any) -> bool:
    """An exclusive lock, which whoever opens the file anew can feel."""
    file = an_input(task)
    with open(file, "rb") as ours:
        fcntl.flock(ours, fcntl.LOCK_EX)
        return in_a_child(lambda: not works(lambda: fcntl.flock(open(file, "rb"), fcntl.LOCK_EX | fcntl.LOCK_NB)))


@attack
def tells_others_by_a_lock_on_a_part_of_a_file(task: Any) -> bool:
    file = an_input(task)
    with open(file, "rb") as ours:
        fcntl.fcntl(ours, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 7, 1, 0))
        return in_a_child(lambda: struct.unpack("hhqqi4x", fcntl.fcntl(
            open(file, "rb"), fcntl.F_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 7, 1, 0)))[0] != fcntl.F_UNLCK)


@attack
def tells_others_by_a_lease_on_a_file(task: Any) -> bool:
    with open(an_input(task), "rb") as file:
        return works(lambda: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK))


@attack
def hears_what_others_read(task: Any) -> bool:
    """Notices about a file that all trials have."""
    file, handle = an_input(task), LIBC.inotify_init1(0)
    if handle < 0 or LIBC.inotify_add_watch(handle, str(file).encode(), 0xFFF) < 0:
        return False
    return in_a_child(lambda: bool(file.read_bytes()) or True) and len(os.read(handle, 4096)) > 0


@attack
def hears_of_changes_of_a_folder(task: Any) -> bool:
    handle = os.open(an_input(task).parent, os.O_RDONLY)
    return works(lambda: fcntl.fcntl(handle, fcntl.F_NOTIFY, fcntl.DN_ACCESS | fcntl.DN_MULTISHOT))


@attack
def asks_what_others_have_read_into_memory(task: Any) -> bool:
    """Throws pages of a file out of memory and asks, without waiting and so without spoiling it, whether they are back. The
    kernel may keep pages that it was asked to drop, or drop others, so one clear answer in forty will do."""
    with open(an_input(task), "rb") as file:
        os.fsync(file.fileno())
        for _ in range(40):
            states = []
            for read_it in (False, True):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                if read_it:
                    file.seek(0)
                    file.read()
                states.append(works(lambda: os.preadv(file.fileno(), [bytearray(64)], 0, os.RWF_NOWAIT)))
            if states == [False, True]:
                return True
            time.sleep(0.05)
        return False


@attack
def counts_what_others_have_read_into_memory(task: Any) -> bool:
    with open(an_input(task), "rb") as file:
        counted = ctypes.create_string_buffer(40)
        return call(451, file.fileno(), ctypes.create_string_buffer(16), counted, 0) == 0


@attack
def writes_the_disks_of_everybody(task: Any) -> bool:
    """sync, over and over, makes every program that writes wait; it cannot fail, so its time is what tells."""
    Path(f"unwritten-{os.getpid()}").write_bytes(bytes(8 << 20))
    before = dirty()
    os.sync()
    return before > 0 and dirty() < before


@attack
def uses_up_the_machines_asynchronous_reads(task: Any) -> bool:
    return passed(call(206, 60_000, ctypes.create_string_buffer(8)))


@attack
def uses_up_its_users_notices(task: Any) -> bool:
    """The kernel counts these by user, whichever namespace they are made in."""
    return LIBC.inotify_init1(0) >= 0


@attack
def makes_its_pipes_large(task: Any) -> bool:
    return works(lambda: fcntl.fcntl(os.pipe()[1], 1031, 1 << 20))


@attack
def dumps_its_memory_through_the_kernel(task: Any) -> bool:
    """A core is written by the kernel, or given to a program of the host's."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    child = subprocess.Popen([sys.executable, "-c", "import os; os.abort()"], cwd=task.beside if task.plain else ".")
    return os.WCOREDUMP(os.waitpid(child.pid, 0)[1])


@attack
def is_free_in_another_program(task: Any) -> bool:
    read = f"print(open({task.secret_file!r}).read())"
    done = subprocess.run([sys.executable, "-I", "-c", read], capture_output=True, text=True)
    return task.secret in done.stdout


@attack
def is_free_in_a_program_that_lies_in_memory(task: Any) -> bool:
    """An executable without a file: rules about files do not see it being run."""
    handle = os.memfd_create("program")
    os.write(handle, Path(os.path.realpath("/bin/cat")).read_bytes())
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.dup2(writing, 1)
        os.execve(handle, ["cat", task.secret_file], {})
    os.close(writing)
    os.wait()
    return task.secret.encode() in os.read(reading, 100)


@attack
def is_free_in_a_thread(task: Any) -> bool:
    """Some rules hold for the thread that made them and those it starts."""
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(task.secret in Path(task.secret_file).read_text()))
    thread.start()
    thread.join()
    return found == [True]


@attack
def finds_the_host_below_its_root(task: Any) -> bool:
    """Places where the host's files lay while the walls were built, uncovered where that is allowed."""
    for place in (b"/host", b"/oldroot", b"/tmp", b"/inputs"):
        if not task.plain:
            call(166, place, 2)
    os.chdir("/")
    bases = ["/host", "/oldroot", "/newroot", "/mnt", "/" + "../" * 20, "/proc/self/root", "/proc/self/cwd",
             "/proc/1/" + "root/host"]
    return any(readable(Path(base + task.secret_file)) for base in bases)


@attack
def walks_out_by_a_folder_it_holds_open(task: Any) -> bool:
    """A descriptor of a folder from which it asks for the folder above, again and again."""
    handles = [os.open(place, os.O_RDONLY | os.O_DIRECTORY) for place in (".", "/", os.path.dirname(an_input(task)))]
    return any(works(lambda handle=handle: os.stat("../" * 20 + task.secret_file.lstrip("/"), dir_fd=handle).st_size)
               and works(lambda handle=handle: os.open("../" * 20 + task.secret_file.lstrip("/"), os.O_RDONLY, dir_fd=handle))
               for handle in handles)


@attack
def renames_its_own_folder(task: Any) -> bool:
    """And puts a link in its place while the host collects."""
    here = os.getcwd() if not task.plain else task.beside
    if not works(lambda: os.rename(here, f"{here}-away")):
        return False
    os.rename(f"{here}-away", here)
    return True


@attack
def opens_a_device_of_the_host(task: Any) -> bool:
    names = ("mem", "kmsg", "vda", "sda", "nvme0n1", "fuse", "net/tun", "kvm", "userfaultfd", "ptmx", "vsock", "vhost-vsock",
             "loop-control", "mapper/control", "btrfs-control", "uinput", "snapshot", "tty0", "ttyS0", "hwrng")
    return any(works(lambda name=name: os.close(os.open(f"/dev/{name}", os.O_RDWR | os.O_NONBLOCK))) for name in names)


@attack
def reads_the_secrets_of_the_machine(task: Any) -> bool:
    return any(readable(Path(place)) for place in (
        "/etc/shadow", "/etc/hostname", "/etc/resolv.conf", "/etc/machine-id", "/etc/gshadow", "/etc/fstab", "/var/log/dpkg.log",
        "/sys/class/dmi/id/product_name", "/proc/1/mountinfo" if task.plain else "/nowhere"))


@attack
def sees_the_interfaces_of_the_host(task: Any) -> bool:
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    return bool(names) or (readable(Path("/proc/net/route")) and Path("/proc/net/route").read_text().count("\n") > 1)


@attack
def talks_to_the_hypervisor(task: Any) -> bool:
    """Sockets to the machine that this machine is a guest of; no namespace holds them."""
    return works(lambda: socket.socket(40, socket.SOCK_STREAM))


@attack
def uses_the_ciphers_of_the_kernel(task: Any) -> bool:
    return works(lambda: socket.socket(38, socket.SOCK_SEQPACKET))


@attack
def marks_an_input_with_an_attribute(task: Any) -> bool:
    file = an_input(task)
    return works(lambda: os.setxattr(file, "user.medalist", b"1")) and works(lambda: os.getxattr(file, "user.medalist"))


def an_input(task: Any) -> Path:
    place = task.inputs if task.plain else "/inputs" if os.path.isdir("/inputs") else str(Path.cwd().parent / "inputs")
    return next(file for file in (Path(place, "fold", "fit.npy"), Path(place, "fit.npy")) if file.exists())


def in_a_child(action: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if action() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def dirty() -> int:
    """KiB that wait to be written."""
    return next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("Dirty:"))
