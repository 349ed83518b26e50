"""Runs a command on a terminal of its own and prints what appears there.

usage: terminal.py [--type TEXT --after MARKER] COMMAND...

Types TEXT once MARKER has appeared. Ends as COMMAND does: with its exit status, or 128 + its signal.
"""
import argparse
import os
import pty
import sys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--type", default="")
    parser.add_argument("--after", default="")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(arguments.command[0], arguments.command)
    shown = b""
    to_type = arguments.type.encode().decode("unicode_escape").encode()
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the last process has closed it
            break
        if not piece:
            break
        shown += piece
        if to_type and arguments.after.encode() in shown:
            os.write(terminal, to_type)
            to_type = b""
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


sys.exit(main())
