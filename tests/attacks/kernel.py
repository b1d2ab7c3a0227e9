"""Attacks on the kernel's wide doors. Arguments are wrong on purpose, so that a call that is let through harms nothing: what
counts is whether the kernel looked at them at all."""

NOWHERE = b"/nowhere/at/all"
SCRAP = ctypes.create_string_buffer(256)


def tries(name: str, number: int, *arguments: Any) -> None:
    ATTACKS[name] = lambda task: passed(call(number, *arguments))
    ATTACKS[name].__name__ = name


tries("opens_an_io_ring", 425, 4, SCRAP)
tries("catches_page_faults", 323, 1)
tries("loads_a_bpf_map", 321, 0, ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1) + bytes(100)), 72)
tries("counts_events_of_the_processor", 298, ctypes.create_string_buffer(struct.pack("II", 1, 120) + bytes(24) + struct.pack(
    "Q", 97) + bytes(100)), 0, -1, -1, 0)
tries("uses_a_key_ring", 250, 0, -3, 1)
tries("adds_a_key", 248, b"user", b"medalist", b"x", 1, -2)
tries("requests_a_key", 249, b"user", b"medalist", 0, -2)
tries("makes_a_user_namespace", 272, 0x10000000)
tries("makes_a_mount_namespace", 272, 0x20000)
tries("mounts_a_file_system", 165, b"none", NOWHERE, b"tmpfs", 0, 0)
tries("opens_a_file_system", 430, b"tmpfs", 0)
tries("copies_a_mount", 428, -100, b"/", 1)
tries("changes_a_mount", 442, -100, NOWHERE, 0, ctypes.create_string_buffer(bytes(32)), 32)
tries("unmounts", 166, NOWHERE, 2)
tries("changes_its_root", 161, NOWHERE)
tries("pivots_its_root", 155, NOWHERE, NOWHERE)
tries("enters_a_namespace", 308, 0, 0)
tries("hides_memory", 447, 0)
tries("turns_off_address_randomisation", 135, 0x0040000)
tries("reads_the_log_of_the_kernel", 103, 10, SCRAP, 100)
tries("changes_its_segment_table", 154, 0, SCRAP, 16)
tries("loads_another_kernel", 246, 0, 0, 0, 0xFFFF)
tries("loads_a_module", 175, SCRAP, 0, NOWHERE)
tries("removes_a_module", 176, NOWHERE, 0o4000)
tries("watches_all_files", 300, 0, 0)
tries("makes_a_handle_of_a_file", 303, -100, b"/", ctypes.create_string_buffer(struct.pack("II", 128, 0) + bytes(128)), SCRAP, 0)
tries("opens_a_file_by_handle", 304, -100, ctypes.create_string_buffer(struct.pack("II", 8, 1) + bytes(16)), 0)
tries("swaps_to_a_file", 167, NOWHERE, 0)
tries("sets_the_name_of_the_host", 170, SCRAP, -1)
tries("sets_the_clock", 227, 0, 0)
tries("asks_for_ports", 172, 4)
tries("sets_a_quota", 179, 0x800002, NOWHERE, 0, 0)
tries("moves_pages_of_a_process", 279, 0, 0, 0, 0, 0, 0)
tries("lists_mounts", 458, ctypes.create_string_buffer(struct.pack("IIQQ", 24, 0, 0xFFFFFFFFFFFFFFFF, 0)), SCRAP, 8, 0)
tries("makes_a_child_in_a_namespace_by_clone3", 435, ctypes.create_string_buffer(bytes(64)), 7)


@attack
def makes_a_child_in_a_user_namespace(task: Any) -> bool:
    result = call(56, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if result == 0:
        os._exit(0)
    return result > 0


@attack
def makes_a_device(task: Any) -> bool:
    name = f"device-{os.getpid()}"
    done = works(lambda: os.mknod(name, 0o20600, os.makedev(1, 3)))
    if done:
        os.unlink(name)
    return done


@attack
def types_into_a_terminal(task: Any) -> bool:
    _, slave = os.openpty()
    return works(lambda: fcntl.ioctl(slave, 0x5412, b"x"))


@attack
def calls_the_kernel_through_its_32_bit_door(task: Any) -> bool:
    """mov eax, 20 (getpid of i386); int 0x80; ret"""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return bool(ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid())


@attack
def calls_the_kernel_by_an_x32_number(task: Any) -> bool:
    return call(0x40000000 | 39) == os.getpid()


@attack
def calls_what_is_newer_than_the_filter(task: Any) -> bool:
    return passed(call(480))


@attack
def raises_its_priority(task: Any) -> bool:
    return works(lambda: os.nice(-5))


@attack
def runs_in_real_time(task: Any) -> bool:
    return works(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))


@attack
def makes_itself_the_last_to_be_killed(task: Any) -> bool:
    Path("/proc/self/oom_score_adj").write_text("-1000")
    return True


@attack
def raises_its_own_limits(task: Any) -> bool:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1000, hard + 1000))
    return True


@attack
def becomes_another_user(task: Any) -> bool:
    other = 0 if os.getuid() else 123_456
    return works(lambda: os.setresuid(other, other, other))


@attack
def gains_by_running_a_set_uid_program(task: Any) -> bool:
    """A program with the set-uid bit of another user gives its rights, unless that was switched off."""
    facts = Path("/proc/self/status").read_text()
    return "NoNewPrivs:\t0" in facts and any(os.access(place, os.X_OK) for place in ("/usr/bin/su", "/bin/su", "/usr/bin/mount"))
