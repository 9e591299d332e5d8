"""Clients of other services; the only places that know their protobuf types."""
