"""What will be done: runs x reductions x chunks, known before anything runs."""
