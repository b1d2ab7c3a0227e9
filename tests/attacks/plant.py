"""Attacks that leave something behind: in packages, the harness, the kit, the inputs, the host's folders or its settings."""


@attack
def writes_to_the_packages(task: Any) -> bool:
    folder = Path(np.__file__).parents[1]
    return opens_for_writing(folder / "numpy" / "__init__.py") or makes(folder / f"planted-{task.tag}.pth")


@attack
def writes_to_the_interpreter(task: Any) -> bool:
    return opens_for_writing(Path(os.__file__)) or makes(Path(os.__file__).parent / f"planted_{task.tag}.py")


@attack
def makes_the_interpreter_run_its_code_at_start(task: Any) -> bool:
    folder = Path(np.__file__).parents[1]
    return makes(folder / "sitecustomize.py") or makes(folder / "usercustomize.py")


@attack
def writes_a_compiled_file_beside_the_packages(task: Any) -> bool:
    return makes(Path(np.__file__).parent / "__pycache__" / f"planted-{task.tag}.pyc")


@attack
def writes_to_the_harness(task: Any) -> bool:
    loaded = [str(getattr(module, "__file__", "")) for module in list(sys.modules.values())]
    places = ["/sandbox/harness.py", f"{task.project}/sandbox/harness.py", *(name for name in loaded if "sandbox" in name)]
    return any(opens_for_writing(Path(name)) for name in places if name)


@attack
def writes_to_the_grader(task: Any) -> bool:
    return opens_for_writing(Path(task.project, "sandbox", "collect.py"))


@attack
def writes_to_the_kit(task: Any) -> bool:
    kit = Path(task.kit if task.plain else sys.modules["kit"].__file__ if "kit" in sys.modules else find_kit())
    return any(opens_for_writing(file) or makes(file.parent / "planted.py") for file in (kit, kit.resolve()))


@attack
def changes_an_input(task: Any) -> bool:
    return any(opens_for_writing(file) for file in inputs(task))


@attack
def removes_or_renames_an_input(task: Any) -> bool:
    copy = f"-{task.tag}"
    for file in inputs(task):
        if works(lambda file=file: os.rename(file, f"{file}{copy}")):
            os.rename(f"{file}{copy}", file)
            return True
    return False


@attack
def empties_an_input(task: Any) -> bool:
    return any(works(lambda file=file: os.truncate(file, file.stat().st_size)) for file in inputs(task))


@attack
def adds_a_file_to_the_inputs(task: Any) -> bool:
    return any(makes(file.parent / f"planted-{task.tag}") for file in inputs(task))


@attack
def touches_an_input(task: Any) -> bool:
    return any(works(lambda file=file: os.utime(file, (1, 1))) and file.stat().st_mtime == 1 for file in inputs(task))


@attack
def changes_the_mode_of_an_input(task: Any) -> bool:
    for file in inputs(task):
        before = file.stat().st_mode
        if works(lambda file=file, before=before: os.chmod(file, before ^ 0o010)) and file.stat().st_mode != before:
            os.chmod(file, before)
            return True
    return False


@attack
def links_an_input_into_its_own_folder(task: Any) -> bool:
    return any(works(lambda file=file: os.link(file, f"linked-{os.getpid()}")) for file in inputs(task))


@attack
def locks_an_input_for_others(task: Any) -> bool:
    """A lease on a file makes whoever opens it for writing wait."""
    return any(works(lambda file=file: fcntl.fcntl(os.open(file, os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK))
               for file in inputs(task))


@attack
def leaves_a_file_where_the_host_looks(task: Any) -> bool:
    return Path(task.meeting_place).parent.is_dir() and makes(Path(task.meeting_place))


@attack
def writes_beside_its_own_folder(task: Any) -> bool:
    here = Path(task.beside if task.plain else os.getcwd()).resolve()
    return makes(here.parent / f"planted-{task.tag}") or makes(Path(task.other_trial) / "planted")


@attack
def overwrites_the_result_of_another_trial(task: Any) -> bool:
    return opens_for_writing(Path(task.other_trial, "scratch", "result.npy"))


@attack
def writes_to_the_record(task: Any) -> bool:
    import sqlite3

    with sqlite3.connect(task.record, timeout=1) as record:
        record.execute("BEGIN IMMEDIATE")
        record.execute("ROLLBACK")
    return True


@attack
def changes_a_setting_of_the_kernel(task: Any) -> bool:
    return any(opens_for_writing(Path(f"/proc/sys/{name}")) for name in ("kernel/core_pattern", "vm/drop_caches")) \
        or opens_for_writing(Path("/proc/sysrq-trigger"))


@attack
def makes_a_control_group(task: Any) -> bool:
    for base in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        place = f"{base}/planted-{task.tag}"
        if works(lambda place=place: os.mkdir(place)):
            os.rmdir(place)
            return True
    return False


@attack
def makes_a_set_uid_program(task: Any) -> bool:
    """A program of this user's with the set-uid bit, where another user of the host could run it."""
    name = Path(task.beside if task.plain else "/nowhere", f"program-{os.getpid()}")
    name.write_text("#!/bin/sh\n")
    os.chmod(name, 0o4755)
    return bool(name.stat().st_mode & 0o4000)


def inputs(task: Any) -> list[Path]:
    places = [task.inputs] if task.plain else ["/inputs", str(Path.cwd().parent / "inputs")]
    return [file for place in places for file in files(place)] + [Path(os.path.realpath(file)) for place in places
                                                                  for file in files(place)]


def find_kit() -> str:
    import importlib.util

    found = importlib.util.find_spec("kit")
    return str(found.origin) if found else "/nowhere"
