"""Attacks that need a trial of their own: they forge a result, use up what there is, live on, or break who runs them.

Each returns whether it believes it got through; where only the host can see that, `judged.py` says what the host looks for.
"""

def out(task: Any, name: str = "result.npy") -> str:
    return str(Path(task.scratch_when_plain if task.plain else ".", name))


def leave_at_once() -> None:
    os._exit(0)


# --- forged results

@alone
def patches_the_metric_in_its_process(task: Any) -> bool:
    np.mean = np.average = lambda *_, **__: 0.0
    return np.mean([1.0, 3.0]) == 0.0


@alone
def forges_the_result_by_a_grandchild(task: Any) -> bool:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.5)
            while True:
                np.save(out(task, "forged.npy"), np.full(1, 777.0))
                os.rename(out(task, "forged.npy"), out(task))
                time.sleep(0.05)
        os._exit(0)
    return False


@alone
def races_the_collector_with_a_link(task: Any) -> bool:
    if os.fork() == 0:
        os.setsid()
        while True:
            try:
                os.symlink(task.other_fold, out(task, "link"))
            except FileExistsError:
                pass
            os.rename(out(task, "link"), out(task))
    time.sleep(0.3)
    leave_at_once()
    return False


@alone
def gives_a_link_to_the_labels(task: Any) -> bool:
    os.symlink(task.other_fold, out(task))
    leave_at_once()
    return False


@alone
def gives_a_hard_link_to_the_labels(task: Any) -> bool:
    os.link(task.other_fold, out(task))
    leave_at_once()
    return False


@alone
def gives_a_pipe_that_nobody_writes(task: Any) -> bool:
    os.mkfifo(out(task))
    leave_at_once()
    return False


@alone
def gives_a_sparse_file_of_a_terabyte(task: Any) -> bool:
    said = b"{'descr': '<f8', 'fortran_order': False, 'shape': (137438953472,), }"
    header = b"\x93NUMPY\x01\x00\x76\x00" + said.ljust(117) + b"\n"
    with open(out(task), "wb") as file:
        file.write(header)
        file.truncate(len(header) + (1 << 40))
    leave_at_once()
    return False


class Bomb:
    """What runs a program when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@alone
def hides_a_program_in_the_array(task: Any) -> bool:
    np.save(out(task), np.array([Bomb(f"touch {task.meeting_place}")], dtype=object), allow_pickle=True)
    leave_at_once()
    return False


@alone
def hides_a_program_in_the_header_of_the_array(task: Any) -> bool:
    run = f"__import__('os').system('touch {task.meeting_place}')"
    text = f"{{'descr': [('x', '<f8', {run})], 'fortran_order': False, 'shape': ()}}"
    body = text.encode().ljust(512) + b"\n"
    Path(out(task)).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body + pickle.dumps(
        Bomb(f"touch {task.meeting_place}")))
    leave_at_once()
    return False


@alone
def gives_a_packed_file_of_zeros(task: Any) -> bool:
    np.savez_compressed(out(task, "bomb.npz"), np.zeros(20 << 20))
    os.rename(out(task, "bomb.npz"), out(task))
    leave_at_once()
    return False


@alone
def gives_the_result_of_another_fold(task: Any) -> bool:
    np.save(Path(task.other_trial, "scratch", "result.npy"), np.full(1, 777.0))
    return True


# --- more than there is; the figures are beyond the limits that the host sets

@alone
def takes_more_memory(task: Any) -> bool:
    return bool(sum(part.sum() for part in [np.ones(1 << 20) for _ in range(64)]) and hold(task))


@alone
def takes_more_memory_in_one_piece(task: Any) -> bool:
    return bool(np.ones(64 << 20).sum() and hold(task))


@alone
def takes_more_memory_that_is_shared(task: Any) -> bool:
    page = mmap.mmap(-1, 512 << 20)
    for _ in range(512):
        page.write(bytes(1 << 20))
    return hold(task)


@alone
def forgets_memory_that_it_keeps(task: Any) -> bool:
    page = mmap.mmap(-1, 512 << 20)
    for _ in range(512):
        page.write(bytes(1 << 20))
        page.madvise(mmap.MADV_DONTNEED)
    return hold(task)


@alone
def takes_memory_by_children_that_are_gone(task: Any) -> bool:
    page = mmap.mmap(-1, 512 << 20)
    for part in range(8):
        if os.fork() == 0:
            page.seek(part << 26)
            page.write(bytes(1 << 26))
            os._exit(0)
        os.wait()
    return hold(task)


@alone
def takes_memory_by_many_children(task: Any) -> bool:
    children = [child_that_takes_memory() for _ in range(6)]
    time.sleep(3)
    return all(os.waitpid(child, os.WNOHANG)[0] == 0 for child in children)


def child_that_takes_memory() -> int:
    child = os.fork()
    if child == 0:
        held = np.ones(10 << 20)
        time.sleep(20)
        os._exit(int(held[0]))
    return child


@alone
def takes_memory_as_files(task: Any) -> bool:
    handles = [os.memfd_create(f"file-{k}") for k in range(64)]
    for handle in handles:
        os.write(handle, bytes(8 << 20))
    return hold(task)


@alone
def maps_files_in_memory_and_closes_them(task: Any) -> bool:
    held = []
    for k in range(64):
        handle = os.memfd_create(f"file-{k}")
        os.write(handle, bytes(8 << 20))
        held.append(mmap.mmap(handle, 4096))
        os.close(handle)
    return bool(held) and hold(task)


@alone
def fills_temporary_folders(task: Any) -> bool:
    return fill([Path(place, f"fill-{task.tag}") for place in ("/tmp", "/dev/shm")], 200)


@alone
def fills_its_folder(task: Any) -> bool:
    return fill([Path(out(task, f"fill-{k}")) for k in range(4)], 50) and hold(task)


@alone
def writes_one_big_file(task: Any) -> bool:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    return fill([Path(out(task, "big"))], 200) and hold(task)


@alone
def writes_files_that_have_no_name(task: Any) -> bool:
    held = []
    for k in range(20):
        held.append(open(out(task, f"nameless-{k}"), "wb"))
        os.unlink(out(task, f"nameless-{k}"))
        held[-1].write(bytes(10 << 20))
        held[-1].flush()
    return hold(task)


@alone
def hides_files_in_a_folder_that_cannot_be_read(task: Any) -> bool:
    os.mkdir(out(task, "locked"))
    full = fill([Path(out(task, f"locked/{k}")) for k in range(4)], 50)
    os.chmod(out(task, "locked"), 0)
    return full and hold(task)


@alone
def makes_too_many_files(task: Any) -> bool:
    for k in range(25_000):
        open(out(task, f"file-{k}"), "wb").close()
    return hold(task)


@alone
def makes_too_deep_a_folder(task: Any) -> bool:
    os.chdir(out(task, "."))
    for _ in range(2500):
        os.mkdir("d")
        os.chdir("d")
    return hold(task)


@alone
def starts_too_many_processes(task: Any) -> bool:
    for _ in range(150):
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
    return hold(task)


@alone
def starts_too_many_threads(task: Any) -> bool:
    for _ in range(150):
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
    return hold(task)


@alone
def uses_up_the_processor_in_children(task: Any) -> bool:
    children = [os.fork() for _ in range(2)]
    until = time.process_time() + 5
    while time.process_time() < until:
        pass
    return 0 not in children or bool(os._exit(0))


@alone
def sleeps_beyond_its_time(task: Any) -> bool:
    time.sleep(task.wall_seconds + 2)
    return True


@alone
def closes_its_output_and_goes_on(task: Any) -> bool:
    """Whoever takes the end of the output for the end of the trial forgets it."""
    if os.fork() == 0:
        os.closerange(0, 3)
        sleep_on(task)
    os.closerange(0, 3)
    time.sleep(task.wall_seconds + 20)
    return True


@alone
def stays_just_under_every_limit(task: Any) -> bool:
    held = np.ones(20 << 20)
    Path(out(task, "almost")).write_bytes(bytes(40 << 20))
    children = [os.fork() or time.sleep(600) for _ in range(20)]
    time.sleep(task.wall_seconds + 2)
    return bool(held[0]) and len(children) == 20


@alone
def floods_its_output(task: Any) -> bool:
    for _ in range(100):
        os.write(1, b"x" * (1 << 20))
    return True


@alone
def prints_codes_that_take_over_a_terminal(task: Any) -> bool:
    sys.stdout.write("\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b]52;c;ZXZpbA==\x07\x9b5n\u202eevil\r\n")
    return False


@alone
def puts_codes_into_the_name_of_a_column(task: Any) -> bool:
    raise ValueError("\x1b[31mcolumn\x1b]0;owned\x07\u202e not in index")


# --- living on, and breaking who runs it

def sleep_on(task: Any) -> None:
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", task.tag])


@alone
def leaves_a_process_behind(task: Any) -> bool:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            sleep_on(task)
        os._exit(0)
    time.sleep(0.5)
    return False


@alone
def ignores_every_signal(task: Any) -> bool:
    for number in range(1, 65):
        works_or_not(number)
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            sleep_on(task)
    time.sleep(600)
    return True


def works_or_not(number: int) -> None:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


@alone
def forks_at_its_deadline(task: Any) -> bool:
    until = time.monotonic() + task.wall_seconds + 20
    while time.monotonic() < until:
        try:
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    sleep_on(task)
                os._exit(0)
        except OSError:
            pass
        time.sleep(0.03)
    return True


@alone
def kills_everything_that_it_may(task: Any) -> bool:
    if not task.plain:
        os.kill(-1, signal.SIGTERM)
    os.kill(task.expendable, signal.SIGKILL)
    return True


@alone
def kills_the_fork_server(task: Any) -> bool:
    parent = os.getppid()
    for pid in {parent, parent - 1, 1, 2, task.server}:
        works(lambda pid=pid: os.kill(pid, signal.SIGKILL)) if pid > 1 and (not task.plain or pid == task.server) else None
    time.sleep(0.5)
    return False


@alone
def stops_its_keeper(task: Any) -> bool:
    works(lambda: os.kill(task.server if task.plain else os.getppid(), signal.SIGSTOP))
    return False


@alone
def plants_a_module_for_the_next_trial(task: Any) -> bool:
    places = [os.getcwd(), "/tmp"] if task.plain else [*sys.path, os.getcwd(), "/tmp", "/dev/shm", "/inputs/lib"]
    for place in places:
        works(lambda place=place: Path(place, f"planted_{task.tag}.py").write_text("ran = True\n"))
    return False


def fill(places: list[Path], mebibytes: int) -> bool:
    """Whether so much could be written into each file."""
    for place in places:
        with open(place, "wb", buffering=0) as file:
            for _ in range(mebibytes):
                if file.write(bytes(1 << 20)) < 1 << 20:
                    return False
    return True


def hold(task: Any) -> bool:
    """Keep what was taken for long enough to be seen."""
    time.sleep(2.5)
    return True
