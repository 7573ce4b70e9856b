"""What holds for all tests."""

import signal

# A shell starts what it runs in the background with these ignored, which every program that a test starts would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
