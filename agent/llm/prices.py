"""What a call costs: tokens estimated from text, dollars from a maintained offline price list (genai-prices)."""

from collections.abc import Callable
from dataclasses import replace

from agent.llm import Request, Usage
from agent.llm.address import Address
from agent.llm.capabilities import is_local

Price = Callable[[Usage], float]
BYTES_A_TOKEN = 3  # prose has 4 to 5, code and CJK text 3, tables of digits 2: an estimate that errs to the dear side
FEWEST_BYTES_A_TOKEN = 2


def price_of(address: Address, url: str) -> Price | None:
    """Dollars for a Usage: the user's own price, nothing for a model on this machine, else the list's; None where unknown."""
    if address.price is not None:
        dear_in, dear_out = address.price
        return lambda usage: (usage.tokens_in * dear_in + usage.tokens_out * dear_out) / 1e6
    if address.kind != "endpoint" or is_local(url):
        return lambda usage: 0.0
    return _listed(address.model, url)


def _listed(model: str, url: str) -> Price | None:
    """The list's price at this provider, else that of the model's usual provider."""
    for at in (url, None):
        try:
            _dollars(Usage(1, 1), model, at)
        except LookupError:
            continue
        return lambda usage, at=at: _dollars(usage, model, at)  # type: ignore[misc]
    return None


def _dollars(usage: Usage, model: str, url: str | None) -> float:
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    tokens = Tokens(input_tokens=usage.tokens_in, output_tokens=usage.tokens_out,
                    cache_read_tokens=min(usage.tokens_cached, usage.tokens_in))
    return float(calc_price(tokens, model, provider_api_url=url).total_price)


def estimate(text: str, *, bytes_a_token: int = BYTES_A_TOKEN) -> int:
    """Tokens of a text, estimated from its UTF-8 length, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // bytes_a_token)


def most(request: Request, price: Price | None) -> Usage:
    """The most that one answer to `request` can cost: what is reserved before the call."""
    words = "".join(message.content for message in request.messages) + str(request.schema or "")
    usage = Usage(estimate(words, bytes_a_token=FEWEST_BYTES_A_TOKEN), request.most_tokens, estimated=True)
    return replace(usage, dollars=price(usage) if price else 0.0)
