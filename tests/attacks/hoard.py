"""Attacks that need a trial of their own and that no list had: memory and processor time where nobody counts them, what the
kernel keeps by user, marks left on the host, and processes that are hard to catch."""


def out(task: Any, name: str = "result.npy") -> str:
    return str(Path(task.scratch_when_plain if task.plain else ".", name))


def keep_in_children(count: int, action: Callable[[], int]) -> bool:
    """Whether children that each keep something hold more than the limit together, and go on to; `action` gives bytes."""
    told = mmap.mmap(-1, 8 * count)
    children = [child_that(action, told, k) for k in range(count)]
    until = time.monotonic() + 15
    while 0 in struct.unpack(f"{count}Q", told[:]) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(2.5)
    return sum(struct.unpack(f"{count}Q", told[:])) > 256 << 20 and all(os.waitpid(c, os.WNOHANG)[0] == 0 for c in children)


def child_that(action: Callable[[], int], told: mmap.mmap, place: int) -> int:
    child = os.fork()
    if child == 0:
        told[8 * place: 8 * place + 8] = struct.pack("Q", action())
        time.sleep(30)
        os._exit(0)
    return child


HELD: list[Any] = []


def filled(end: int) -> int:
    """Fill it until it takes no more: how many bytes it took."""
    os.set_blocking(end, False)
    total = 0
    try:
        while True:
            total += os.write(end, bytes(16 << 10))
    except BlockingIOError:
        return total


# --- memory that no process has

@alone
def hides_memory_in_sockets(task: Any) -> bool:
    return keep_in_children(6, fill_sockets)


def fill_sockets() -> int:
    """300 pairs, both directions full."""
    HELD.extend(socket.socketpair() for _ in range(300))
    return sum(filled(end.fileno()) for pair in HELD for end in pair)


@alone
def hides_memory_in_pipes(task: Any) -> bool:
    """Large pipes where that is allowed; the kernel gives an ordinary user smaller ones after the first 64 MiB."""
    return keep_in_children(12, fill_pipes)


def fill_pipes() -> int:
    HELD.extend(os.pipe() for _ in range(450))
    for _, writing in HELD:
        works(lambda writing=writing: fcntl.fcntl(writing, 1031, 128 << 10))
    return sum(filled(writing) for _, writing in HELD)


@alone
def hides_memory_in_tables_of_pages(task: Any) -> bool:
    """A quarter of a tebibyte that is only read holds no page, and a table for each two mebibytes."""
    page = mmap.mmap(-1, 256 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
    seen = 0
    for place in range(0, 256 << 30, 2 << 20):
        seen += page[place + 4096]
    time.sleep(2.5)
    return seen == 0


@alone
def maps_files_that_have_no_name(task: Any) -> bool:
    held = []
    for k in range(20):
        with open(out(task, f"mapped-{k}"), "w+b") as file:
            os.unlink(file.name)
            file.write(bytes(10 << 20))
            file.flush()
            held.append(mmap.mmap(file.fileno(), 10 << 20, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))
    time.sleep(2.5)
    return len(held) == 20


# --- processor time that nobody waits for

@alone
def hides_its_processor_time(task: Any) -> bool:
    """The kernel forgets what a child has used whose parent ignores that it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    used = 0.0
    while used < 5.0:
        child = os.fork()
        if child == 0:
            while time.process_time() < 0.1:
                pass
            os._exit(0)
        try:
            os.waitpid(child, 0)
        except ChildProcessError:
            used += 0.1
    return True


# --- what the kernel keeps, and what stays on the host

@alone
def leaves_shared_memory_behind(task: Any) -> bool:
    call(29, task.shared_key + 1, 4096, 0o1666)
    return False


@alone
def leaves_files_where_others_look(task: Any) -> bool:
    for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/run/user/0", "/var/crash"):
        works(lambda place=place: Path(place, f"left-{task.tag}").write_text("x"))
    return False


@alone
def makes_a_program_that_others_run_as_its_user(task: Any) -> bool:
    """A file with the set-uid bit in a folder that everybody may enter: whoever else is on the machine has its rights."""
    works(lambda: os.chmod(out(task, "."), 0o777))
    os.umask(0)
    handle = os.open(out(task, "program"), os.O_CREAT | os.O_WRONLY, 0o4755)
    works(lambda: os.chmod(handle, 0o4755))
    time.sleep(1.5)
    return False


@alone
def gives_its_files_names_that_break_what_reads_them(task: Any) -> bool:
    for name in (b"a\nb", b"\x1b[31m\x1b]0;owned\x07", b"-rf", b"..x", b"x" * 250, b"\xff\xfe", b"$(touch owned)", b"*"):
        works(lambda name=name: os.close(os.open(os.path.join(os.fsencode(out(task, ".")), name), os.O_CREAT, 0o600)))
        works(lambda name=name: os.mkdir(os.path.join(os.fsencode(out(task, ".")), name + b".d"), 0))
    return False


@alone
def gives_text_of_letters_that_do_not_exist(task: Any) -> bool:
    array = np.zeros(1, "<U2")
    array.view(np.uint32)[:] = (0x7FFFFFFF, 0xD800)
    np.save(out(task), array)
    os._exit(0)


@alone
def gives_text_that_takes_over_a_terminal(task: Any) -> bool:
    np.save(out(task), np.array(["\x1b]0;owned\x07"]))
    os._exit(0)


# --- processes that are hard to catch, and hands on those of others

@alone
def signals_its_whole_group(task: Any) -> bool:
    """The kernel sends it to all of the group, also to those outside the namespace."""
    if task.plain:
        os.kill(task.expendable, signal.SIGSTOP)
    else:
        os.kill(0, signal.SIGSTOP)
    return False


@alone
def has_the_kernel_signal_a_process(task: Any) -> bool:
    """The owner of a pipe is told when something can be read, by a signal that ends it."""
    one, other = socket.socketpair()
    fcntl.fcntl(one, fcntl.F_SETOWN, task.expendable)
    fcntl.fcntl(one, fcntl.F_SETFL, fcntl.fcntl(one, fcntl.F_GETFL) | os.O_ASYNC)
    other.send(b"x")
    time.sleep(0.3)
    return False


@alone
def hops_from_process_to_process(task: Any) -> bool:
    """Each process starts the next and ends, faster than a list of processes can be read."""
    LIBC.prctl(15, task.tag.encode(), 0, 0, 0)
    for _ in range(6):
        if os.fork() == 0:
            os.setsid()
            until = time.monotonic() + 30
            while time.monotonic() < until:
                if os.fork():
                    os._exit(0)
            os._exit(0)
    time.sleep(600 if task.plain else 60)
    return True


@alone
def adopts_its_orphans_and_stops_them(task: Any) -> bool:
    """Orphans come to it instead of to whoever watches, and do not move when they are told to end."""
    LIBC.prctl(15, task.tag.encode(), 0, 0, 0)
    LIBC.prctl(36, 1, 0, 0, 0)
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    if os.fork() == 0:
        LIBC.prctl(36, 1, 0, 0, 0)
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.5)
    return False


@alone
def starts_a_sibling_of_itself(task: Any) -> bool:
    """A process whose parent is not the trial but whoever started the trial."""
    LIBC.prctl(15, task.tag.encode(), 0, 0, 0)
    if call(56, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
        os.setsid()
        time.sleep(600)
    return False


@alone
def uses_up_the_users_of_trials(task: Any) -> bool:
    """Leaves a process and files of its user behind, so that nobody can be this user after it."""
    os.mkdir(out(task, "locked"), 0o700)
    Path(out(task, "locked/kept")).touch()
    works(lambda: os.chmod(out(task, "locked"), 0))
    LIBC.prctl(15, task.tag.encode(), 0, 0, 0)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    time.sleep(0.1)
    return False


@alone
def changes_the_modules_that_the_next_trial_gets(task: Any) -> bool:
    """Functions, codecs, hooks of the interpreter and threads in the process that was forked from the server."""
    import atexit
    import builtins
    import codecs

    np.mean = np.save = builtins.open = lambda *_, **__: None  # type: ignore[assignment]
    codecs.register(lambda name: None)
    sys.modules[f"planted_{task.tag}"] = sys
    sys.meta_path.clear()
    sys.settrace(lambda *_: None)
    atexit.register(time.sleep, 600)
    threading.Thread(target=time.sleep, args=(600,)).start()
    if task.plain:
        print("changed" if np.mean([1.0]) is None else "not", flush=True)
        os._exit(0)
    return False


@alone
def reads_the_memory_of_another_trial(task: Any) -> bool:
    """Whoever it can see or guess, by the file of its memory; `companion` holds what it looks for."""
    wanted = f"secret of {task.tag}".encode()
    seen = [int(place.name) for place in processes()] if os.access("/proc", os.R_OK) else []
    near = {*seen, *task.companions, *range(os.getpid() - 60, os.getpid() + 60)} - {os.getpid()}
    return any(wanted in memory_of(pid) for pid in near)


def memory_of(pid: int) -> bytes:
    """What a process has on its heap and in memory without a name, in the parts that can be read."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if readable(Path(f"/proc/{pid}/maps")) else []:
        words = line.split()
        if words[1].startswith("rw") and (len(words) < 6 or words[5] == "[heap]"):
            begin, end = (int(number, 16) for number in words[0].split("-"))
            if end - begin < 64 << 20:
                works(lambda begin=begin, end=end: found.append(part_of(pid, begin, end)))
    return b"".join(found)


def part_of(pid: int, begin: int, end: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(begin)
        return memory.read(end - begin)
