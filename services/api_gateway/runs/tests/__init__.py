"""Tests of carrying runs."""
