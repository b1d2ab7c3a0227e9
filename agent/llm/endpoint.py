"""Asks an OpenAI-compatible endpoint over HTTP and turns whatever happens into a Reply.

The SDK's own retries are off: they repeat a spent quota and sleep past any deadline, and its timeout is per read, so that an
answer that drips never ends. Here one deadline covers the call, and a try that may have cost tokens is never repeated behind the
budget's back: a call costs at most what one answer costs.
"""

import asyncio
import functools
import json
import time
from dataclasses import replace
from typing import Any

from agent.llm import Reply, Request, Usage, patience
from agent.llm.address import Address
from agent.llm.capabilities import Capabilities
from agent.llm.faults import Fault, fault_of
from agent.llm.prices import Price, estimate
from agent.llm.reading import REFUSALS, Reading
from agent.llm.wire import Wire

TRIES = 3
PATIENCE_SECONDS = 180.0
LISTING_SECONDS = 20.0
CHARACTERS_A_TOKEN = 6  # an answer longer than this ignores its limit and is cut
MOST_BODY = 16 * 2**20


class Endpoint:
    """One model at one url. Safe to use from several threads; imports the SDK at the first call."""

    def __init__(self, address: Address, *, url: str, key: str, server: Capabilities, price: Price | None,
                 pause_seconds: float = 0.5) -> None:
        self.address, self.url, self.price = address, url, price
        self.wire = Wire(address.model, address.api, server)
        self._key, self._pause = key, pause_seconds

    def complete(self, request: Request) -> Reply:
        problems()  # the SDK takes seconds to import, which are not the endpoint's
        started, seconds = time.monotonic(), patience(request, self.address.seconds or PATIENCE_SECONDS)
        reading, fault = asyncio.run(self._converse(request, started + seconds))
        usage = self._usage(request, reading, fault, time.monotonic() - started)
        status, detail = _verdict(reading, fault)
        if status == "ok" and usage.tokens_in * 8 < sum(len(message.content) for message in request.messages):
            detail = f"the endpoint counted {usage.tokens_in} tokens: it may have cut the prompt; raise its context"
        return Reply(self._clean(reading.text), status, self._clean(detail), reading.model or self.address.model, usage)

    def models(self) -> tuple[list[tuple[str, str]], str]:
        """(name, owner) of every model that the endpoint lists, and what went wrong ("": nothing)."""
        return asyncio.run(self._models())

    def speaking(self, api: str) -> "Endpoint":
        """The same model through the other API."""
        return Endpoint(replace(self.address, api=api), url=self.url, key=self._key, server=self.wire.server, price=self.price,
                        pause_seconds=self._pause)

    async def _models(self) -> tuple[list[tuple[str, str]], str]:
        try:
            async with self._client() as client, asyncio.timeout(LISTING_SECONDS):
                page = await client.models.list()
                return [(str(model.id), str(model.owned_by)) for model in page.data], ""
        except TimeoutError:
            return [], f"no list of models within {LISTING_SECONDS:.0f} s"
        except problems() as error:
            return [], self._clean(fault_of(error).detail)

    async def _converse(self, request: Request, deadline: float) -> tuple[Reading, Fault | None]:
        """Tries until an answer begins, another try cannot help or the time is up."""
        tries = 0
        async with self._client() as client:
            while True:
                reading, fault = await self._try(client, request, deadline)
                if fault is not None and fault.refusal and self.wire.learn(fault.refusal):
                    continue
                tries += 1
                if fault is None or fault.wait is None or fault.worked or reading.received or reading.counted or tries == TRIES:
                    return reading, fault
                wait = self._pause * 2 ** (tries - 1) if fault.backs_off else fault.wait
                if time.monotonic() + wait > deadline:
                    return reading, Fault(f"{fault.detail} (the next try, in {wait:.0f} s, would be past the deadline)")
                await asyncio.sleep(wait)

    async def _try(self, client: Any, request: Request, deadline: float) -> tuple[Reading, Fault | None]:
        """One call, read as far as it came."""
        reading = Reading()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._read(client, request, reading)
        except TimeoutError:
            return reading, Fault("no whole answer within the time", worked=True)
        except problems() as error:
            return reading, fault_of(error)
        return reading, Fault(f"the endpoint answered: {reading.error}") if reading.error else None

    def _client(self) -> Any:
        import openai

        http = openai.DefaultAsyncHttpxClient(verify=_certificates())
        return openai.AsyncOpenAI(api_key=self._key, base_url=self.url, max_retries=0, timeout=None, http_client=http)

    async def _read(self, client: Any, request: Request, reading: Reading) -> None:
        kind = client.responses if self.address.api == "responses" else client.chat.completions
        async with kind.with_streaming_response.create(**self.wire.body(request)) as response:
            form = response.headers.get("content-type", "")
            if self.wire.streams and "json" not in form and "html" not in form:
                await self._follow(await response.parse(), request.most_tokens, reading)
            else:
                self._whole(await _bytes(response), form, reading)

    async def _follow(self, stream: Any, most_tokens: int, reading: Reading) -> None:
        """The pieces of a stream; hangs up on an answer that ignores its limit."""
        async for piece in stream:
            data = piece.model_dump(warnings=False) if hasattr(piece, "model_dump") else piece
            (reading.event if self.address.api == "responses" else reading.chat)(data)
            if reading.received > CHARACTERS_A_TOKEN * most_tokens:
                reading.finish = "length"
                return

    def _whole(self, body: bytes, form: str, reading: Reading) -> None:
        if "html" in form or body.lstrip()[:1] == b"<":
            reading.error = "a web page came back, not an API's answer: the url is wrong or a login stands before it"
            return
        (reading.response if self.address.api == "responses" else reading.chat)(json.loads(body))
        if not reading.understood and not reading.error:
            reading.error = f"the answer has no choices: {' '.join(body.decode(errors='replace').split())[:120]}"

    def _usage(self, request: Request, reading: Reading, fault: Fault | None, seconds: float) -> Usage:
        """As counted by the endpoint, else estimated: nothing where no model worked, the most where it may have worked unseen."""
        counted = reading.counted
        if counted is not None and (counted.tokens_out or not reading.received):
            usage = Usage(counted.tokens_in, counted.tokens_out, counted.tokens_cached, 0.0, seconds)
            return replace(usage, dollars=self._dollars(usage) if counted.dollars is None else counted.dollars)
        if fault is not None and not (fault.worked or reading.received):
            return Usage(seconds=seconds, estimated=True)
        out = request.most_tokens if fault is not None and not reading.received else estimate("x" * reading.received)
        usage = Usage(estimate("".join(message.content for message in request.messages)), out, 0, 0.0, seconds, estimated=True)
        return replace(usage, dollars=self._dollars(usage))

    def _dollars(self, usage: Usage) -> float:
        return self.price(usage) if self.price else 0.0

    def _clean(self, text: str) -> str:
        """Without the key: some endpoints repeat it in their errors."""
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text


def problems() -> tuple[type[Exception], ...]:
    """What the SDK, HTTP and parsing raise for what an endpoint does."""
    import httpx2
    import openai

    return openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, ValueError


@functools.cache
def _certificates() -> Any:
    """The certificates that HTTPS trusts, read once: it takes as long as all the rest of a call's overhead."""
    import httpx2

    return httpx2.create_ssl_context()


async def _bytes(response: Any) -> bytes:
    body = bytearray()
    async for piece in response.iter_bytes():
        body += piece
        if len(body) > MOST_BODY:
            raise ValueError(f"more than {MOST_BODY} bytes of answer")
    return bytes(body)


def _verdict(reading: Reading, fault: Fault | None) -> tuple[str, str]:
    """The status and the detail of what was read."""
    if fault is not None:
        come = f"{fault.detail}; {reading.characters} characters had come"
        return ("truncated", come) if reading.characters else ("failed", fault.detail)
    if reading.refusal or reading.finish in REFUSALS:
        return "refused", f"the model refuses: {' '.join(reading.refusal.split())[:300] or reading.finish}"
    if reading.finish == "length":
        return "truncated", "the answer reached its limit of tokens" + ("" if reading.characters else " while still thinking")
    if reading.finish is None and reading.characters:
        return "truncated", "the answer ended without a finish_reason: it was cut on the way"
    if reading.finish is None and not reading.understood:
        return "failed", "an empty answer came back, not one message"
    if not reading.text.strip():
        return "empty", f"the model said nothing (finish_reason {reading.finish})"
    return "ok", ""
