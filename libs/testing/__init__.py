"""What tests and benchmarks stand on: a model server, a stack and a client."""
