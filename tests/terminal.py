"""The command as a terminal starts it."""

# A shell that starts things in the background tells them to ignore Ctrl-C.
START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "import sys; sys.argv[0] = 'cnncli'\n"
    "from cnncli.__main__ import main; main()"
)
