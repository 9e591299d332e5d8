"""The HTTP and WebSocket edge: it decides, stores and fans out; it runs no model."""
