"""Makes the models of a run from what the command line says: endpoint, relay or script; store, budget and roles around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.llm import LLM, Reply, Request
from agent.llm.address import Address
from agent.llm.budget import UNLIMITED, Budget, Limits, Metered, Spent
from agent.llm.capabilities import capabilities, is_local
from agent.llm.endpoint import Endpoint
from agent.llm.prices import Price, price_of
from agent.llm.relay import PATIENCE_SECONDS, Relay
from agent.llm.scripted import Scripted
from agent.llm.store import Stored
from agent.output import UsageError

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Models:
    """The models of a run behind one LLM: `request.role` picks, a role nobody has falls to the other; one budget for all."""

    by_role: Mapping[str, LLM]
    names: Mapping[str, str]
    budget: Budget
    relays: tuple[Relay, ...] = ()

    def complete(self, request: Request) -> Reply:
        return self.by_role[request.role].complete(request)

    def close(self) -> None:
        """The run is over: nobody waits any more."""
        for relay in self.relays:
            relay.close()

    @property
    def spent(self) -> Spent:
        return self.budget.spent


def connect(addresses: Sequence[Address], *, environment: Mapping[str, str], limits: Limits = UNLIMITED,
            ledger: Path | None = None, store: Path | None = None, replay: bool = False) -> Models:
    """The models at `addresses`. Nothing is called yet. Raises UsageError for a missing key, folder, price or store.

    `ledger`: the run's file of what was spent; `store`: the folder of kept replies, read instead of asking where `replay`.
    """
    if replay and (store is None or not store.is_dir()):
        raise UsageError(f"--llm-replay: no stored replies in {store}: run once without it")
    budget = Budget(limits, ledger)
    relays = {address: Relay(Path(address.model), patience_seconds=address.seconds or PATIENCE_SECONDS)
              for address in addresses if address.kind == "relay"}
    made = {address: _one(address, environment, budget, store, replay, relays) for address in addresses}
    roles = _roles(addresses)
    names = {role: address.model for role, address in roles.items()}
    return Models({role: made[address] for role, address in roles.items()}, names, budget, tuple(relays.values()))


def endpoint(address: Address, environment: Mapping[str, str], price: Price | None = None) -> Endpoint:
    """The client for one address. Raises UsageError where a key is needed and not there."""
    url = url_of(address, environment)
    key = environment.get(address.key, "")
    if not key and not is_local(url):
        raise UsageError(f"no key for {address.model} at {url}: set {address.key}, or name another variable with #key=NAME")
    return Endpoint(address, url=url, key=key or "none", server=capabilities(url, address.server), price=price)


def url_of(address: Address, environment: Mapping[str, str]) -> str:
    """Where an endpoint's address points to."""
    return address.url or environment.get("OPENAI_BASE_URL", "").rstrip("/") or OPENAI


def _one(address: Address, environment: Mapping[str, str], budget: Budget, store: Path | None, replay: bool,
         relays: Mapping[Address, Relay]) -> LLM:
    if replay and store is not None:
        return Stored(None, store, address)
    price = price_of(address, url_of(address, environment))
    if price is None and budget.limits.dollars is not None:
        raise UsageError(f"no price is known for {address.model}: say it, {address.model}#price=IN/OUT in dollars per million "
                         "tokens, or bound the run by --llm-tokens and --llm-calls with --llm-budget none")
    metered = Metered(relays.get(address) or _bare(address, environment, price), budget, price)
    return Stored(metered, store, address) if store is not None else metered


def _bare(address: Address, environment: Mapping[str, str], price: Price | None) -> LLM:
    if address.kind == "scripted":
        return Scripted(Path(address.model))
    return endpoint(address, environment, price)


def _roles(addresses: Sequence[Address]) -> dict[str, Address]:
    """Who plays which role: the address that names it, else one that names none, else any."""
    def rank(address: Address, role: str) -> int:
        return 0 if address.role == role else 1 if address.role is None else 2

    for role in ("cheap", "strong"):
        if sum(address.role == role for address in addresses) > 1:
            raise UsageError(f"two models are named {role}: one --llm a role")
    if not addresses or sum(address.role is None for address in addresses) > 1:
        raise UsageError("several models need roles: --llm cheap=MODEL --llm strong=MODEL")
    return {role: min(addresses, key=lambda address: rank(address, role)) for role in ("cheap", "strong")}
