"""Sessions, their messages and their export over HTTP."""
