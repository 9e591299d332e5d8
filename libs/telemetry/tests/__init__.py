"""Tests of logs and the side port."""
