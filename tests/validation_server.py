"""A stand-in for MLE-bench's validation server on :5000: /health, and /validate for a file of the sample's ids and columns.

`python validation_server.py SAMPLE.csv LOG` writes a line for each file that it was asked about.
"""

import csv
import io
import json
import sys
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Validation(BaseHTTPRequestHandler):
    sample: Path
    log: Path

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/health" else 404, {"status": "running"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = message_from_bytes(f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body)
        sent = form.get_payload()[0].get_payload(decode=True).decode()
        wanted, given = (list(csv.reader(io.StringIO(text))) for text in (self.sample.read_text(), sent))
        valid = wanted[0] == given[0] and sorted(r[0] for r in wanted) == sorted(r[0] for r in given)
        message = "Submission is valid." if valid else "Submission invalid! The ids differ."
        with self.log.open("a") as log:
            log.write(message + "\n")
        self._answer(200, {"result": message})

    def _answer(self, code: int, value: dict[str, str]) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, format: str, *arguments: object) -> None:
        pass


if __name__ == "__main__":
    Validation.sample, Validation.log = Path(sys.argv[1]), Path(sys.argv[2])
    HTTPServer(("127.0.0.1", 5000), Validation).serve_forever()
