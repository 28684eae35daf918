"""What builds the book; nothing of it is needed to use splitlib."""
