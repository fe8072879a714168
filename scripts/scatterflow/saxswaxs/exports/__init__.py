"""Files for other programs, made from a result file."""
