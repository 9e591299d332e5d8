"""Tests of the streams, over real connections."""
