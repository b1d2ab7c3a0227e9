"""Proposes what is known of the operators: their wins and losses over all runs seen, as priors of the bandit."""

from agent.improve.proposers import Context, Proposal, toml

LEAST_TRIES = 30
MOST = 40.0  # pseudo-tries that are written down


def propose(context: Context) -> Proposal | None:
    known = [(name, wins, losses) for name, wins, losses in context.evidence.operators
             if name not in ("portfolio", "prior")]
    if sum(wins + losses for _, wins, losses in known) < LEAST_TRIES:
        return None
    rates = {name: wins / (wins + losses) for name, wins, losses in known}
    priors = {name: _prior(wins, losses) for name, wins, losses in known}
    new = {**context.parent.table("operators.toml"), "priors": priors}
    best, worst = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    return Proposal({"operators.toml": toml(new, "Wins and losses of the operators over the runs seen.")},
                    f"{best} wins {rates[best]:.0%} of its tries and {worst} {rates[worst]:.0%}: begin with that",
                    0.5 * (rates[best] - sum(rates.values()) / len(rates)) * 0.1)


def _prior(wins: int, losses: int) -> dict[str, float]:
    scale = min(1.0, MOST / (wins + losses))
    return {"wins": round(wins * scale, 1), "losses": round(losses * scale, 1)}
