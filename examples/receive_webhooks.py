"""A receiver of the service's webhooks: verifies each message, and handles each end of a job once.

pip install standardwebhooks
WEBHOOK_SECRET=whsec_... python receive_webhooks.py 9000
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

verifier = Webhook(os.environ["WEBHOOK_SECRET"])
#: A message can come twice, with the same id. Keep them in your database.
handled: set[str] = set()


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to messages of the service, 401 to all others."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            message = verifier.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.answer(401)
            return
        # Answer first: what takes longer than 15 s is taken for lost and sent again.
        self.answer(204)
        if self.headers["webhook-id"] not in handled:
            handled.add(self.headers["webhook-id"])
            job = message["data"]
            print(message["type"], job["image_id"], *(image["url"] for image in job["images"]), flush=True)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
