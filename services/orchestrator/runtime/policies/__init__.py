"""What GuardrailPolicy documents ask for, done to what goes in and comes out."""
