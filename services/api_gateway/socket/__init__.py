"""`WS /v1/socket`: streams replayed and followed, commands carried out."""
