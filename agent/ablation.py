"""Leaves parts of the agent out, to see what each is worth: `medalist compete TASK --without PART`, docs/ablations.md."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from agent.output import UsageError
from agent.playbook.policy import SHUFFLED, Policy, Portfolio, Stopping

COLD = "warm"  # without warm starts each trial is an interpreter of its own: the executor's, not the policy's
NEVER = float("inf")


def _without_portfolio(policy: Policy) -> Policy:
    """Every model once, in an order by lot, with nothing but readable columns."""
    return replace(policy, portfolio=Portfolio((), SHUFFLED, policy.portfolio.without, policy.portfolio.features))


def _without_features(policy: Policy) -> Policy:
    return replace(policy, portfolio=replace(policy.portfolio, features=False),
                   unused=policy.unused | {"add_feature", "tune_block", "add_tool"})


def _without_nets(policy: Policy) -> Policy:
    nets = {"nets.mlp", "nets.tabm", "images.convnet", "backbone.fine_tuned"}
    return replace(policy, portfolio=replace(policy.portfolio, without=policy.portfolio.without | nets))


PARTS: Mapping[str, Callable[[Policy], Policy]] = {
    "cache": lambda policy: replace(policy, hints=False),  # what one fold found is found anew by the others
    "ensemble": lambda policy: replace(policy, blends=False),
    "features": _without_features,
    "layers": lambda policy: replace(policy, layers=False),  # no second layer upon entries
    "nets": _without_nets,
    "portfolio": _without_portfolio,
    "priors": lambda policy: replace(policy, learns=False, priors={}),  # the operators' wins in earlier runs
    "racing": lambda policy: replace(policy, stopping=Stopping((NEVER, NEVER), (NEVER, NEVER))),
    "threads": lambda policy: replace(policy, threads=False),  # every trial has one
    "tuning": lambda policy: replace(policy, unused=policy.unused | {"tune"}),
    COLD: lambda policy: policy,
}


def without(policy: Policy, parts: Iterable[str]) -> Policy:
    """The policy with the parts of these names left out; UsageError for names of none."""
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"no part {part!r} to leave out; there are: {', '.join(PARTS)}")
        policy = PARTS[part](policy)
    return policy
