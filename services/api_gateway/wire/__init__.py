"""What travels between a client and the gateway: views, events and frames."""
