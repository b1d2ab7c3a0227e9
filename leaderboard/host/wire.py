"""What travels: the requests that the client sends (camel case, absent values are defaults), and pages of answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from leaderboard.host.refusal import Refused

MOST_A_PAGE = 200
LARGEST = 2**31 - 1
Item = TypeVar("Item")


def _storable(text: str) -> str:
    """Text that any database keeps: no NUL, no half of a surrogate pair."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("holds characters that are no text")
    return text


Short = Annotated[str, Field(max_length=255), AfterValidator(_storable)]
Message = Annotated[str, Field(max_length=4000), AfterValidator(_storable)]
Reference = Annotated[int, Field(ge=0, le=LARGEST)]
Number = Annotated[int, Field(ge=-1, le=LARGEST)]


class Request(BaseModel):
    """Fields that are not listed are ignored: newer clients may send more."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", strict=True)


class Paged(Request):
    page: Number | None = None
    page_size: Number | None = None
    page_token: Short | None = None


class IntrospectToken(Request):
    token: Short = ""


class ListCompetitions(Paged):
    group: Short | None = None
    search: Short | None = None


class OfCompetition(Request):
    competition_name: Short = ""


class OfCompetitionPaged(Paged):
    competition_name: Short = ""


class ListPages(OfCompetition):
    page_name: Short | None = None


class DownloadDataFile(OfCompetition):
    file_name: Annotated[str, Field(max_length=4000), AfterValidator(_storable)] = ""


class StartSubmissionUpload(OfCompetition):
    file_name: Short = ""
    content_length: Annotated[int, Field(ge=0, le=2**62)] = 0


class CreateSubmission(OfCompetition):
    blob_file_tokens: Short = ""
    submission_description: Message | None = None


class ListSubmissions(OfCompetitionPaged):
    sort_by: Short | None = None
    group: Short | None = None


class GetSubmission(Request):
    ref: Reference = 0


class DownloadSubmission(Request):
    submission_id: Reference = 0


class GetLeaderboard(OfCompetitionPaged):
    override_public: bool | None = None


class SelectSubmissions(OfCompetition):
    refs: Annotated[list[Reference], Field(max_length=100)] = []


@dataclass(frozen=True)
class Page:
    """The part of a list that was asked for: `start` and `size` rows. The token is the number of the next row."""

    start: int
    size: int

    def of(self, items: Sequence[Item]) -> tuple[list[Item], str]:
        """These rows, and the token of the next page or ""."""
        end = self.start + self.size
        return list(items[self.start: end]), str(end) if end < len(items) else ""


def page_of(asked: Paged, *, usual: int = 20) -> Page:
    """Client 1.8 numbers pages from 1 and sends -1 for none; later ones send tokens. Refuses a token that we never gave."""
    size = min(asked.page_size if asked.page_size and asked.page_size > 0 else usual, MOST_A_PAGE)
    if asked.page_token:
        if not (asked.page_token.isascii() and asked.page_token.isdigit() and len(asked.page_token) < 10):
            raise Refused(400, f"Invalid page token {asked.page_token!r}")
        return Page(int(asked.page_token), size)
    return Page((max(asked.page or 1, 1) - 1) * size, size)
