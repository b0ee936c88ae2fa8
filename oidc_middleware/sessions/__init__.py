"""What we remember about a browser: sessions and pending logins, their lifetimes as arithmetic on ``now``, sealing, cookies.

Nothing in here does I/O, reads a clock or draws entropy: the time and random bytes are arguments.
"""
