"""Tests of channels, servers and errors over real sockets."""
