"""The steps that lead a database of any earlier version to this one."""
