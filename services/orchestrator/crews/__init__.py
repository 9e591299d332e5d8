"""Which crews are in force, where they came from and which one a run takes."""
