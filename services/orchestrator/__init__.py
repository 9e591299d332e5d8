"""Executes runs: crews, tools, tokens and usage. It proposes, the gateway stores."""
