"""The gateway as its clients meet it: a real server, a real database."""
