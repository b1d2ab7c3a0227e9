"""What can go wrong between us and Kaggle: one kind for each remedy, found by status, and the line that says it."""

from datetime import UTC, datetime, timedelta

SITE = "https://www.kaggle.com"
BY_STATUS = {400: "refused", 401: "key", 403: "forbidden", 404: "missing", 429: "busy"}
KINDS = {
    "rules": "the rules of {slug} are not accepted: accept them at {site}/competitions/{slug}/rules, then say it again",
    "key": "Kaggle refuses the key: set KAGGLE_USERNAME and KAGGLE_KEY, or put a new kaggle.json from {site}/settings "
           "into ~/.kaggle",
    "no_key": "no Kaggle key: set KAGGLE_USERNAME and KAGGLE_KEY (or KAGGLE_API_TOKEN), or put kaggle.json from "
              "{site}/settings into ~/.kaggle",
    "limit": "the daily limit of {slug} is reached: it resets at 00:00 UTC, in {reset}",
    "notebook": "{slug} takes submissions from notebooks only: upload the run's solution/ as a notebook at "
                "{site}/competitions/{slug}",
    "closed": "{slug} takes no submissions any more",
    "format": "{slug} could not score submission {ref}: {detail}",
    "upload": "the upload to {slug} failed ({detail}); nothing was submitted: try again with `medalist submit`",
    "lost": "the connection to Kaggle was lost and the submission is not among those of {slug}: try again with "
            "`medalist submit`; it is never sent twice",
    "unknown": "the connection to Kaggle was lost after the upload and the submissions of {slug} cannot be listed: "
               "`medalist sync` will say whether it arrived",
    "turn": "another process has been submitting to {slug} for {detail} s: `medalist sync` says whether it arrived",
    "busy": "Kaggle answers 429, too many requests: wait some minutes, then say it again",
    "hung": "Kaggle did not answer within {detail} s: see whether it is up, then say it again",
    "offline": "Kaggle cannot be reached ({detail}): check the network and the proxy settings",
    "server": "Kaggle answers with an error of its own ({detail}): say it again later",
    "missing": "no competition {slug!r} on Kaggle: give the last part of its address",
    "forbidden": "Kaggle does not allow this on {slug} ({detail}): see {site}/competitions/{slug}",
    "refused": "Kaggle refused the request on {slug}: {detail}",
    "files": "the files of {slug} came incomplete ({detail}): say it again",
}

OWN_HOST = {  # the remedies that are others where the host is one's own
    "rules": "the rules of {slug} are not accepted: `medalist host accept-rules {slug} USER`, then say it again",
    "key": "the host refuses the key: eval \"$(medalist host env USER)\" gives those of its users",
    "no_key": "no key for the host: eval \"$(medalist host env USER)\" sets one",
    "missing": "no competition {slug!r} on this host: `kaggle competitions list` says which there are, "
               "`medalist host create TASK` makes one",
    "offline": "the host cannot be reached ({detail}): start it with `medalist host`, then eval \"$(medalist host env USER)\"",
    "notebook": "{slug} takes submissions from notebooks only, and this host runs none: the run ends with a solution/",
}


class KaggleError(Exception):
    """Kaggle did not do what was asked. `kind` is a key of KINDS; the message says what to do. No file was lost.
    own_host: it was a host of one's own."""

    def __init__(self, kind: str, slug: str, *, detail: str = "", ref: int = 0, own_host: bool = False) -> None:
        self.kind, self.slug, self.detail, self.ref = kind, slug, detail, ref
        remedies = KINDS | OWN_HOST if own_host else KINDS
        line = remedies[kind].format(slug=slug, site=SITE, detail=detail or "no reason given", ref=ref, reset=until_reset())
        super().__init__(line)


def kind_of(status: int) -> str:
    """The kind that an HTTP status alone tells; 0 where no answer came."""
    if status == 0:
        return "offline"
    return BY_STATUS.get(status, "server" if status >= 500 else "refused")


def until_reset(now: datetime | None = None) -> str:
    """Hours and minutes to the next midnight UTC."""
    now = now or datetime.now(UTC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    minutes = int((midnight - now).total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
