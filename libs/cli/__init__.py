"""The command `vb`: crews offline, and on a cluster."""
