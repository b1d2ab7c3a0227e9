"""What endpoints do wrong, each as a play named like the model that does it."""

import socket
import struct
import time
from typing import Any

from llm_server.server import Exchange, Play

PLAYS: dict[str, Play] = {}
PROGRAM = "def fit_predict(train, target, predict, task):\n    return predict.iloc[:, 0]\n"


def play(function: Play) -> Play:
    PLAYS[function.__name__.replace("_", "-")] = function
    return function


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@play
def good(exchange: Exchange) -> None:
    exchange.answer(f"Here it is.\n```python\n{PROGRAM}```\n", usage={
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 64}})


@play
def decides(exchange: Exchange) -> None:
    exchange.answer('{"action": "ridge"}')


@play
def chatty_json(exchange: Exchange) -> None:
    exchange.answer('Sure! Here is my choice: {"action": "ridge"} Good luck!')


@play
def wrong_json(exchange: Exchange) -> None:
    exchange.answer('{"action": 7}')


@play
def slow_down(exchange: Exchange) -> None:
    exchange.send(429, error("slow down", type="rate_limit_error"))


@play
def slow_down_once(exchange: Exchange) -> None:
    if exchange.number == 1:
        return exchange.send(429, error("slow down"), headers={"Retry-After": "1"})
    exchange.answer("fine now")


@play
def slow_down_an_hour(exchange: Exchange) -> None:
    exchange.send(429, error("slow down"), headers={"Retry-After": "3600"})


@play
def no_quota(exchange: Exchange) -> None:
    exchange.send(429, error("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"))


@play
def broken_500(exchange: Exchange) -> None:
    exchange.send(500, error("boom"))


@play
def broken_500_do_not_retry(exchange: Exchange) -> None:
    exchange.send(500, error("boom"), headers={"x-should-retry": "false"})


@play
def gateway_502(exchange: Exchange) -> None:
    exchange.send(502, b"<html><body>Bad <b>gateway</b></body></html>", form="text/html")


@play
def recovers(exchange: Exchange) -> None:
    if exchange.number < 3:
        return exchange.send(503, error("loading the model"))
    exchange.answer("here I am")


@play
def wrong_key(exchange: Exchange) -> None:
    exchange.send(401, error(f"Incorrect API key provided: {exchange.handler.headers['Authorization']}", code="invalid_api_key"))


@play
def too_long(exchange: Exchange) -> None:
    exchange.send(400, error("This model's maximum context length is 4096 tokens. Reduce the messages or max_tokens.",
                             code="context_length_exceeded"))


@play
def error_in_a_list(exchange: Exchange) -> None:
    exchange.send(400, [error("Something is not valid", code=400)])


@play
def silent(exchange: Exchange) -> None:
    time.sleep(1.5)


@play
def drips(exchange: Exchange) -> None:
    exchange.start()
    for _ in range(300):
        exchange.delta({"content": "x"})
        time.sleep(0.05)


@play
def drips_whole(exchange: Exchange) -> None:
    handler = exchange.handler
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    for _ in range(300):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


@play
def resets(exchange: Exchange) -> None:
    handler = exchange.handler
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


@play
def cut_hard(exchange: Exchange) -> None:
    exchange.start()
    exchange.delta({"content": "def fit_pre"})
    exchange.handler.connection.shutdown(socket.SHUT_RDWR)
    exchange.handler.close_connection = True


@play
def cut_softly(exchange: Exchange) -> None:
    exchange.start()
    exchange.delta({"content": "def fit_pre"})
    exchange.finish(done=False)


@play
def error_in_the_stream(exchange: Exchange) -> None:
    exchange.start()
    exchange.delta({"content": "def fit"})
    exchange.data(error("the worker died", code=500))
    exchange.finish()


@play
def bad_json_in_the_stream(exchange: Exchange) -> None:
    exchange.start()
    exchange.delta({"content": "def fit"})
    exchange.raw('data: {"choices": [{"del\n\n')
    exchange.finish()


@play
def keeps_alive(exchange: Exchange) -> None:
    exchange.start()
    exchange.raw(": still working\n\n")
    exchange.delta({"content": "hi"})
    exchange.delta({}, "stop")
    exchange.data({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})
    exchange.finish()


@play
def endless(exchange: Exchange) -> None:
    exchange.start()
    while True:
        exchange.delta({"content": "spam " * 20})


@play
def bad_json(exchange: Exchange) -> None:
    exchange.send(200, b'{"id": "x", "choices": [{')


@play
def web_page(exchange: Exchange) -> None:
    exchange.send(200, b"<html>please log in</html>", form="text/html")


@play
def wrong_shape(exchange: Exchange) -> None:
    exchange.send(200, {"hello": "world"})


@play
def no_choices(exchange: Exchange) -> None:
    exchange.send(200, {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 0}})


@play
def error_with_200(exchange: Exchange) -> None:
    exchange.send(200, error("upstream is down", code=502))


@play
def no_usage(exchange: Exchange) -> None:
    exchange.start()
    exchange.delta({"content": "x" * 30}, "stop")
    exchange.finish()


@play
def absurd_usage(exchange: Exchange) -> None:
    exchange.answer("x" * 30, usage={"prompt_tokens": -5, "completion_tokens": "many", "cost": float(10**9)})


@play
def says_nothing(exchange: Exchange) -> None:
    exchange.answer("")


@play
def content_is_null(exchange: Exchange) -> None:
    exchange.answer(None)


@play
def declines(exchange: Exchange) -> None:
    exchange.answer(None, refusal="I can't help with that.")


@play
def filtered(exchange: Exchange) -> None:
    exchange.answer("", "content_filter")


@play
def reaches_its_limit(exchange: Exchange) -> None:
    exchange.answer("```python\ndef fit_predict(train, target", "length")


@play
def thinks_to_its_limit(exchange: Exchange) -> None:
    exchange.answer(None, "length", reasoning_content="hm " * 40)


@play
def calls_a_tool(exchange: Exchange) -> None:
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "run", "arguments": '{"a"'}}
    exchange.answer(None, "tool_calls", tool_calls=[call])


@play
def other_language(exchange: Exchange) -> None:
    exchange.answer("```r\nfit <- lm(y ~ x)\nfit_predict <- function(a) {}\n```")


@play
def no_fence(exchange: Exchange) -> None:
    exchange.answer(PROGRAM)


@play
def two_fences(exchange: Exchange) -> None:
    exchange.answer(f"First try:\n```python\ndef fit_predict(*_):\n    pass\n```\nBetter:\n```python\n{PROGRAM}```\n")


@play
def thinks_aloud(exchange: Exchange) -> None:
    exchange.answer(f"<think>Maybe ```python\nnonsense(\n``` no.</think>\n```python\n{PROGRAM}```")


@play
def unclosed_fence(exchange: Exchange) -> None:
    exchange.answer(f"```python\n{PROGRAM}")


@play
def old_school(exchange: Exchange) -> None:
    """Refuses one parameter after the other, as servers of different ages do."""
    for name in ("stream_options", "response_format", "seed", "temperature", "max_tokens"):
        if name in exchange.body:
            return exchange.send(400, error(f"Unsupported parameter: '{name}' is not supported with this model.", param=name))
    if exchange.body["messages"][0]["role"] == "system":
        return exchange.send(400, error("System role not supported"))
    if exchange.body.get("stream"):
        return exchange.send(422, error("extra fields not permitted: stream"))
    exchange.answer('{"action": "ridge"}')


@play
def other_model(exchange: Exchange) -> None:
    exchange.answer("hello", model="something-else-entirely")
