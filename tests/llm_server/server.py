"""A loopback HTTP server that plays OpenAI-compatible endpoints: the model's name in a request picks who plays.

A play is a function of an Exchange; plays of faults lie in faults.py. `python server.py PORT FOLDER` answers every model
with the files of a folder, in order: a scripted model behind real HTTP, for demos and for runs of the whole program.
"""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Exchange:
    """One request and the means to answer it, well or badly. `number` counts the requests for this model from 1."""

    def __init__(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        self.handler, self.body, self.number, self.model = handler, body, number, body.get("model")

    def send(self, status: int, body: Any, *, form: str = "application/json", headers: Mapping[str, str] | None = None) -> None:
        """One whole answer; `body` is JSON data, or bytes sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.handler.send_response(status)
        for name, value in {"Content-Type": form, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def answer(self, text: str | None, finish: str = "stop", *, usage: dict[str, Any] | None = None, model: str = "",
               **message: Any) -> None:
        """A proper answer in the API and manner (whole or stream) that was asked for."""
        self.model = model or self.body.get("model")
        counted = usage if usage is not None else {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        if self.handler.path.endswith("/responses"):
            return self._responses(text, finish, counted)
        if not self.body.get("stream"):
            turn = {"role": "assistant", "content": text, **message}
            choice = {"index": 0, "finish_reason": finish, "message": turn}
            return self.send(200, {"id": "1", "object": "chat.completion", "model": self.model, "choices": [choice],
                                   "usage": counted})
        self.start()
        for piece in [text[at:at + 7] for at in range(0, len(text), 7)] if text else []:
            self.delta({"content": piece})
        self.delta(message, finish)
        self.data({"choices": [], "usage": counted})
        self.finish()

    def _responses(self, text: str | None, finish: str, counted: dict[str, Any]) -> None:
        whole = {"object": "response", "model": self.model,
                 "status": "completed" if finish == "stop" else "incomplete",
                 "incomplete_details": None if finish == "stop" else {"reason": "max_output_tokens"},
                 "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
                 "usage": {"input_tokens": counted["prompt_tokens"], "output_tokens": counted["completion_tokens"]}}
        if not self.body.get("stream"):
            return self.send(200, whole)
        self.start()
        self.data({"type": "response.output_text.delta", "delta": (text or "")[:5]})
        self.data({"type": f"response.{whole['status']}", "response": whole})
        self.finish()

    def start(self) -> None:
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "text/event-stream")
        self.handler.send_header("Transfer-Encoding", "chunked")
        self.handler.end_headers()

    def delta(self, turn: Mapping[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": dict(turn), "finish_reason": finish}
        self.data({"object": "chat.completion.chunk", "model": self.model, "choices": [choice]})

    def data(self, data: Any) -> None:
        self.raw(f"data: {json.dumps(data)}\n\n")

    def raw(self, text: str) -> None:
        encoded = text.encode()
        self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(encoded), encoded))
        self.handler.wfile.flush()

    def finish(self, *, done: bool = True) -> None:
        if done:
            self.raw("data: [DONE]\n\n")
        self.handler.wfile.write(b"0\r\n\r\n")


Play = Callable[[Exchange], None]


class Server:
    """A running server: its address, and every request with the time it came."""

    def __init__(self, plays: Mapping[str, Play], port: int = 0) -> None:
        self.plays, self.requests = plays, []
        self._http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def of(self, model: str) -> list[dict[str, Any]]:
        """The bodies of the requests for one model, with `at` and `authorization`."""
        return [request for request in self.requests if request["body"].get("model") == model]

    def run(self) -> None:
        self._http.serve_forever(poll_interval=0.02)

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                listed = [{"id": name, "object": "model", "owned_by": "vllm"} for name in server.plays]
                Exchange(self, {}, 0).send(200, {"object": "list", "data": listed})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
                server.requests.append({"body": body, "at": time.monotonic(), "path": self.path,
                                        "authorization": self.headers.get("Authorization")})
                play = server.plays.get(body.get("model", ""), server.plays.get("*"))
                try:
                    if play is None:
                        message = f"The model {body.get('model')!r} does not exist"
                        Exchange(self, body, 1).send(404, {"error": {"message": message, "code": "model_not_found"}})
                    else:
                        play(Exchange(self, body, len(server.of(body["model"]))))
                except OSError:
                    self.close_connection = True

        return Handler


@contextmanager
def serving(plays: Mapping[str, Play], port: int = 0) -> Iterator[Server]:
    """A server for the time of a with block."""
    server = Server(plays, port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def in_order(answers: list[str]) -> Play:
    """A play that answers with these texts, one a request, and refuses when there are none left."""
    def play(exchange: Exchange) -> None:
        if exchange.number > len(answers):
            return exchange.send(400, {"error": {"message": f"the script has {len(answers)} answers"}})
        exchange.answer(answers[exchange.number - 1])

    return play


PURPOSES = {"read the competition": "read", "draft a new": "draft", "mend a solution": "debug", "improve one": "improve",
            "cross two": "cross", "find out what": "simplify", "make a tool": "tool", "explain this run": "explain"}


def by_purpose(folder: Path, *, without: tuple[str, ...] = ()) -> Play:
    """A play that knows what it is asked for by the prompt's last heading, and answers with the folder's next file for it, such
    as 02-draft.md, those left out that are named in `without`; it counts its tokens, four letters each."""
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def play(exchange: Exchange) -> None:
        turns = [message["content"] for message in exchange.body["messages"]]
        purpose = next(name for words, name in PURPOSES.items() if f"## Your task now: {words}" in turns[-1])
        with lock:
            files = sorted(path for path in folder.glob(f"*-{purpose}.md") if path.name not in without)[asked[purpose]:]
            asked[purpose] += 1
        if not files:
            return exchange.send(400, {"error": {"message": f"the script has no further {purpose}"}})
        text = files[0].read_text(encoding="utf-8")
        exchange.answer(text, usage={"prompt_tokens": sum(map(len, turns)) // 4, "completion_tokens": len(text) // 4})

    return play


if __name__ == "__main__":
    script = [path.read_text(encoding="utf-8") for path in sorted(Path(sys.argv[2]).glob("*.md"))]
    running = Server({"*": in_order(script)}, int(sys.argv[1]))
    print(f"READY {running.url}", flush=True)
    running.run()
