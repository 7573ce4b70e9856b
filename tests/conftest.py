"""What holds for all tests."""

import signal

# A shell starts what it runs in the background with these ignored, and every program that a test starts inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
