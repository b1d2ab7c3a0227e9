"""Attacks that read, hear or touch what a trial must not reach: files, processes, sockets, labels."""


@attack
def reads_a_file_of_the_host(task: Any) -> bool:
    return task.secret in Path(task.secret_file).read_text()


@attack
def reads_a_file_of_the_host_through_another_process(task: Any) -> bool:
    for process in processes():
        for way in ("root", "cwd/../.."):
            place = process / way / task.secret_file.lstrip("/")
            if readable(place) and task.secret in place.read_text():
                return True
    return False


@attack
def lists_a_folder_of_the_host(task: Any) -> bool:
    return Path(task.secret_file).name in os.listdir(Path(task.secret_file).parent)


@attack
def learns_that_a_file_of_the_host_exists(task: Any) -> bool:
    return os.stat(task.secret_file).st_size > 0


@attack
def watches_a_folder_of_the_host(task: Any) -> bool:
    handle = LIBC.inotify_init1(0)
    return handle >= 0 and LIBC.inotify_add_watch(handle, str(Path(task.secret_file).parent).encode(), 0xFFF) >= 0


@attack
def reads_the_password_file(task: Any) -> bool:
    return "root:" in Path("/etc/passwd").read_text()


@attack
def reads_the_project(task: Any) -> bool:
    return bool(Path(task.project, "sandbox", "trial.py").read_text())


@attack
def imports_the_project_and_reads_its_record(task: Any) -> bool:
    import sqlite3

    sys.path.insert(0, task.project)
    import sandbox.trial

    with sqlite3.connect(f"file:{task.record}?mode=ro", uri=True) as record:
        return bool(sandbox.trial) and record.execute("SELECT answer FROM answers").fetchone()[0] == task.secret


@attack
def reads_the_folder_of_another_trial(task: Any) -> bool:
    return task.secret in Path(task.other_trial, "scratch", "solution.py").read_text()


@attack
def reads_a_key_in_an_environment(task: Any) -> bool:
    found = [repr(dict(os.environ)).encode()]
    found += [(process / "environ").read_bytes() for process in processes() if readable(process / "environ")]
    return task.secret.encode() in b"".join(found)


@attack
def reads_a_key_on_a_command_line(task: Any) -> bool:
    return any(task.secret.encode() in (process / "cmdline").read_bytes() for process in processes())


@attack
def reads_the_memory_of_another_process(task: Any) -> bool:
    with open(f"/proc/{task.victim}/mem", "rb", buffering=0) as memory:
        memory.seek(task.victim_address)
        return memory.read(len(task.secret)) == task.secret.encode()


@attack
def copies_the_memory_of_another_process(task: Any) -> bool:
    here = ctypes.create_string_buffer(len(task.secret))
    local = (ctypes.c_void_p * 2)(ctypes.addressof(here), len(task.secret))
    remote = (ctypes.c_void_p * 2)(task.victim_address, len(task.secret))
    LIBC.process_vm_readv(task.victim, local, 1, remote, 1, 0)
    return here.raw == task.secret.encode()


@attack
def writes_the_memory_of_another_process(task: Any) -> bool:
    here = ctypes.create_string_buffer(b"x")
    local = (ctypes.c_void_p * 2)(ctypes.addressof(here), 1)
    remote = (ctypes.c_void_p * 2)(task.victim_spare_address, 1)
    return LIBC.process_vm_writev(task.victim, local, 1, remote, 1, 0) == 1


@attack
def takes_a_descriptor_of_another_process(task: Any) -> bool:
    return call(438, os.pidfd_open(task.victim), 1, 0) >= 0


@attack
def traces_another_process(task: Any) -> bool:
    return is_victim(task) and call(101, 0x4206, task.victim, 0, 0) == 0


@attack
def traces_a_child(task: Any) -> bool:
    child = subprocess.Popen(["sleep", "5"])
    try:
        return call(101, 0x4206, child.pid, 0, 0) == 0
    finally:
        child.kill()


@attack
def compares_itself_with_another_process(task: Any) -> bool:
    return is_victim(task) and call(312, os.getpid(), task.victim, 1, 0, 0) >= 0


@attack
def signals_a_process_of_the_host(task: Any) -> bool:
    os.kill(task.victim, 0)
    return is_victim(task)


@attack
def signals_a_process_of_the_host_without_looking(task: Any) -> bool:
    return passed(call(62, task.victim, signal.SIGCONT)) and call(62, task.victim, 0) != -errno.ESRCH


@attack
def tightens_the_limits_of_another_process(task: Any) -> bool:
    return call(302, task.victim, 4, struct.pack("QQ", 0, 1 << 30), 0) == 0


@attack
def binds_another_process_to_one_processor(task: Any) -> bool:
    return works(lambda: os.sched_setaffinity(task.victim, os.sched_getaffinity(0)))


@attack
def slows_down_another_process(task: Any) -> bool:
    return works(lambda: os.setpriority(os.PRIO_PROCESS, task.victim, os.getpriority(os.PRIO_PROCESS, task.victim)))


@attack
def connects_over_tcp(task: Any) -> bool:
    with socket.create_connection(("127.0.0.1", task.port), 2):
        return True


@attack
def connects_over_tcp_version_6(task: Any) -> bool:
    with socket.create_connection(("::1", task.port_6), 2):
        return True


@attack
def sends_over_udp(task: Any) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(2)
        line.sendto(b"hear me", ("127.0.0.1", task.udp_port))
        return line.recv(10) == b"hear me"


@attack
def connects_over_an_abstract_socket(task: Any) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect("\0" + task.abstract)
        return True


@attack
def connects_over_a_socket_file(task: Any) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(task.socket_file)
        return True


@attack
def sends_from_one_of_a_pair_to_a_socket_file(task: Any) -> bool:
    """One end of a connected pair of datagram sockets may still name another address, and needs no connect for it."""
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return one.sendto(b"hear me", task.datagram_file) > 0


@attack
def listens_where_the_host_connects(task: Any) -> bool:
    with socket.create_server(("127.0.0.1", task.listen_port)) as line:
        line.settimeout(3)
        line.accept()
        return True


@attack
def opens_a_raw_socket(task: Any) -> bool:
    return works(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))


@attack
def opens_a_packet_socket(task: Any) -> bool:
    return works(lambda: socket.socket(17, socket.SOCK_RAW, 0))


@attack
def talks_to_the_kernel_over_netlink(task: Any) -> bool:
    return works(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))


@attack
def sees_the_sockets_of_the_host(task: Any) -> bool:
    return any(f":{task.port:04X} ".encode() in place.read_bytes() for place in
               (Path("/proc/net/tcp"), Path("/proc/self/net/tcp"), Path(f"/proc/self/task/{os.getpid()}/net/tcp"))
               if readable(place))


@attack
def joins_the_shared_memory_of_the_host(task: Any) -> bool:
    return call(29, task.shared_key, 0, 0) >= 0


@attack
def finds_a_label_of_a_predicted_row(task: Any) -> bool:
    wanted = np.float64(task.label).tobytes()
    hidden = [] if task.plain else ["/inputs", "/scratch", "/tmp", "/dev/shm", "/run", "/var", ".", ".."]
    places = [*task.label_folders, *hidden]
    return any(wanted in file.read_bytes() for place in places for file in files(place) if file.stat().st_size < 1 << 20)


@attack
def reads_another_fold(task: Any) -> bool:
    return np.load(task.other_fold).size > 0


@attack
def finds_a_descriptor_that_was_left_open(task: Any) -> bool:
    return any(os.path.exists(f"/proc/self/fd/{number}") and not harmless(number) for number in range(3, 200))


@attack
def writes_a_report_into_every_descriptor(task: Any) -> bool:
    report, heard = b'{"exit": 0, "cpu_seconds": 0}\n', []
    for number in range(3, 4096):
        if works(lambda number=number: os.fstat(number)) and not harmless(number):
            heard.append(works(lambda number=number: os.write(number, report)))
    return any(heard)


@attack
def reads_the_memory_of_the_kernel(task: Any) -> bool:
    return any(readable(Path(place)) for place in ("/proc/kcore", "/dev/mem", "/dev/kmsg", "/proc/vmallocinfo"))


@attack
def has_a_privilege(task: Any) -> bool:
    facts = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    held = int(facts["CapPrm"], 16) | int(facts["CapBnd"], 16)
    return held != 0 or os.getuid() == 0 or facts["NoNewPrivs"] != "1" or facts["Seccomp"] != "2"


def is_victim(task: Any) -> bool:
    """Is the process of that number, as seen from here, the one that is meant?"""
    return b"victim" in Path(f"/proc/{task.victim}/cmdline").read_bytes()


def harmless(number: int) -> bool:
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return True
    return target.startswith(("/dev/null", "/proc/")) or "fd/" in target
