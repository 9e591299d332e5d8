"""The coach's own tools: frameworks, interview questions, what a pain still lacks."""
