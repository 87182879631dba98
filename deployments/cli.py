"""Where `seqloom` begins; the commands stand in `commands`.

Ctrl-C, SIGTERM and SIGHUP end a command in the same way: what is under way is cleaned up, nothing
is printed, and the exit status is 128 + the signal's number (130, 143, 129). Everything is imported
inside of `main`, so that this holds from the beginning.
"""

import sys

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; what the exit status means stands at the head of `commands`."""
    try:
        from deployments.ending import ended_by_signals, hold_closed_streams

        with ended_by_signals():
            hold_closed_streams()
            from deployments.commands import FAILED, run_command
            from deployments.telling import settle

            status = run_command(arguments)
            return status if settle(told=status != 0) else status or FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
