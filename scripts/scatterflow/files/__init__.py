"""Writing files whole, naming them by content, saying where they come from."""
