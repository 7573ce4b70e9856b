"""Machines as system containers: systemd-nspawn runs each from the same image that virtual machines boot."""
