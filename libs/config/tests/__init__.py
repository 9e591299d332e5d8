"""Tests of the settings base."""
