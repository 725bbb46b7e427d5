"""One handler on one filter: from a delivery to its outcome, and the acknowledgement.

Layout, lowest first:

    stats.py                 what became of messages
    attempt.py               one attempt: its time-out, and whatever it raises
    context.py               what the parts of a route share
    dead_letter_recorder.py  the dead letter of a message, until the broker has it
    replies.py               the answer to a request: a result, or an error
    failure_log.py           the log and the count of what failed for good
    failures.py              the end of a message that was not handled, link by link
    retrying.py              attempts until success or the end
    serial_runner.py         a suspended message, then those that waited for its key
    handler_route.py         the fast path: accept, begin, one step, done
"""

from dskity.handlers.route.handler_route import HandlerRoute

__all__ = ["HandlerRoute"]
