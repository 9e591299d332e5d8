"""A coach that needs no model: it answers to what was said, in the coach's voice."""
