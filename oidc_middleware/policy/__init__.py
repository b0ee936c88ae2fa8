"""Who may see what: public paths, allow rules, how to challenge a request without a session, which origins are ours. No I/O."""
