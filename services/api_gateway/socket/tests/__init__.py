"""Tests of the socket, over real connections."""
