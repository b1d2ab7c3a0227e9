"""The two ways in which this package says no: Refused to a client, HostError to whoever runs the host."""


class Refused(Exception):
    """A request that is answered with an error. `code` is the HTTP status; the message is shown to the client."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class HostError(Exception):
    """An admin's request that cannot be done; the message says what was given, what exists, what to do."""


STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
          409: "ABORTED", 413: "INVALID_ARGUMENT", 501: "UNIMPLEMENTED"}


def error_body(code: int, message: str, *, nested: bool) -> dict[str, object]:
    """An error as Kaggle's production writes it (nested: the client shows only the status line), or as the client's
    own library reads it (flat: the client shows the message)."""
    if nested:
        return {"error": {"code": code, "message": message, "status": STATUS.get(code, "INTERNAL")}}
    return {"code": code, "message": message}
