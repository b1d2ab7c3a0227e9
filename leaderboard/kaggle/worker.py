"""A process of its own that asks Kaggle what the command line hides: a JSON question a line, a JSON answer a line.

It alone imports `kaggle`, which authenticates at import and may print or exit. Asked {"do": name, "slug": ..., ...} it
answers {"status": 200, "value": ...}, or the HTTP status of the refusal with its message: 0 where no answer came, -1
where there are no credentials. It ends when its questions do; the parent sets the time limit of each and kills.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

PAGE = 100
MOST_PAGES = 200


def main() -> None:
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            print(json.dumps(answered(json.loads(line))), file=out, flush=True)


def answered(asked: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question, whatever becomes of it."""
    import kaggle
    import requests

    if not kaggle.api._authenticated:
        return _why_not()
    try:
        with kaggle.api.build_kaggle_client() as client:
            return {"status": 200, "value": QUESTIONS[asked.pop("do")](client.competitions.competition_api_client, **asked)}
    except requests.HTTPError as error:
        return _refusal(error)
    except requests.RequestException as error:
        return {"status": 0, "message": type(error).__name__}


def _why_not() -> dict[str, Any]:
    """Why importing kaggle did not authenticate: done again, with the exception in hand."""
    import kaggle
    import requests

    try:
        kaggle.api.authenticate()
    except requests.HTTPError as error:
        return _refusal(error)
    except requests.RequestException as error:
        return {"status": 0, "message": type(error).__name__}
    except SystemExit:
        pass
    return {"status": -1, "message": "no credentials"}


def _refusal(error: Any) -> dict[str, Any]:
    status = error.response.status_code if error.response is not None else 0
    return {"status": status, "message": _message(error)}


def _message(error: Any) -> str:
    """The server's own words in either of the shapes that it uses."""
    try:
        body = error.response.json()
        return str(body.get("error", body)["message"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(error)


def competition(client: Any, slug: str) -> dict[str, Any]:
    """What is known of a competition, with the caller's allowance."""
    from kagglesdk.competitions.types.competition_api_service import ApiGetSubmissionLimitsRequest

    found = _competition(client, slug)
    request = ApiGetSubmissionLimitsRequest()
    request.competition_name = slug
    limits = client.get_submission_limits(request) if found.user_has_entered else None
    return {
        "slug": slug, "title": found.title or slug, "url": found.url or "", "metric": found.evaluation_metric or "",
        "deadline": found.deadline.isoformat() if found.deadline else None, "entered": bool(found.user_has_entered),
        "notebooks_only": bool(found.is_kernels_submissions_only), "disabled": bool(found.submissions_disabled),
        "max_daily": found.max_daily_submissions or 0, "teams": found.team_count or 0,
        "used_today": limits.num_today if limits else 0, "remaining": limits.num_allowed_now if limits else 0,
        "rank": found.user_rank or None,
    }


def ready(client: Any, slug: str) -> dict[str, Any]:
    """What is to be known before submitting: the competition, and the team's submissions once it has entered."""
    about = competition(client, slug)
    return {"competition": about, "submissions": submissions(client, slug) if about["entered"] else []}


def _competition(client: Any, slug: str) -> Any:
    """By name; where the server has no such call, by search. Its HTTPError where there is none."""
    import requests
    from kagglesdk.competitions.types.competition_api_service import ApiGetCompetitionRequest, ApiListCompetitionsRequest

    request = ApiGetCompetitionRequest()
    request.competition_name = slug
    try:
        return client.get_competition(request)
    except requests.HTTPError as error:
        if error.response is None or error.response.status_code not in (404, 405, 501):
            raise
        search = ApiListCompetitionsRequest()
        search.search = slug
        named = [known for known in client.list_competitions(search).competitions if known.ref.split("/")[-1] == slug]
        if not named:
            error.response.status_code = 404
            raise
        return named[0]


def pages(client: Any, slug: str) -> list[dict[str, str]]:
    """The competition's pages, as (name, content)."""
    from kagglesdk.competitions.types.competition_api_service import ApiListCompetitionPagesRequest

    request = ApiListCompetitionPagesRequest()
    request.competition_name = slug
    return [{"name": page.name, "content": page.content or ""} for page in client.list_competition_pages(request).pages]


def submissions(client: Any, slug: str) -> list[dict[str, Any]]:
    """All submissions of the caller's team, the newest first."""
    return list(_submissions(client, slug))


def finals(client: Any, slug: str) -> list[dict[str, Any]]:
    """The submissions of the caller's team that are marked to count in the end."""
    from kagglesdk.competitions.types.competition_enums import SubmissionGroup

    return list(_submissions(client, slug, group=SubmissionGroup.SUBMISSION_GROUP_SELECTED))


class Marked:
    """A question that Kaggle's client has no type for, in the form that it sends."""

    def __init__(self, slug: str, refs: list[int]) -> None:
        self.slug, self.refs = slug, refs

    @staticmethod
    def to_dict(asked: "Marked") -> dict[str, Any]:
        return {"competitionName": asked.slug, "refs": asked.refs}


def mark_finals(client: Any, slug: str, refs: list[int]) -> None:
    """Mark these submissions, and no others: a call of our own host's."""
    client._client.call("medalist.HostService", "SelectSubmissions", Marked(slug, refs), None)


def wait(client: Any, slug: str, ref: int, seconds: float) -> dict[str, Any] | None:
    """The submission once it is scored, or as it stands after `seconds`; None where there is none of that number."""
    end, pause = time.monotonic() + seconds, 1.0
    while True:
        found = next((known for known in _submissions(client, slug) if known["ref"] == ref), None)
        if found is None or found["status"] != "PENDING" or time.monotonic() + pause > end:
            return found
        time.sleep(pause)
        pause = min(1.5 * pause, 30.0)


def leaderboard(client: Any, slug: str) -> list[dict[str, Any]]:
    """All teams in order."""
    from kagglesdk.competitions.types.competition_api_service import ApiGetLeaderboardRequest

    request = ApiGetLeaderboardRequest()
    request.competition_name = slug
    return [{"team": row.team_name or "", "team_id": row.team_id, "score": row.score or "",
             "date": row.submission_date.isoformat() if row.submission_date else ""}
            for row in _paged(client.get_leaderboard, request)]


def _submissions(client: Any, slug: str, *, group: Any = None) -> Iterator[dict[str, Any]]:
    from kagglesdk.competitions.types.competition_api_service import ApiListSubmissionsRequest

    request = ApiListSubmissionsRequest()
    request.competition_name = slug
    if group is not None:
        request.group = group
    for known in _paged(client.list_submissions, request):
        yield {
            "ref": known.ref, "date": known.date.isoformat() if known.date else "", "file": known.file_name or "",
            "description": known.description or "", "status": known.status.name, "error": known.error_description or "",
            "public": known.public_score or "", "private": known.private_score or "", "team": known.team_name or "",
            "user": known.submitted_by or "",
        }


def _paged(call: Any, request: Any) -> Iterator[Any]:
    request.page_size = PAGE
    for _ in range(MOST_PAGES):
        answer = call(request)
        yield from answer.submissions
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


QUESTIONS: dict[str, Callable[..., Any]] = {
    "competition": competition, "ready": ready, "pages": pages, "submissions": submissions, "wait": wait,
    "leaderboard": leaderboard, "finals": finals, "mark_finals": mark_finals,
}

if __name__ == "__main__":
    main()
