"""SAXS and WAXS: integrate frames, assemble and correct the results, check calibrants."""
