"""Model adapters: CrewAI's `BaseLLM` with our streaming, retries and errors."""
