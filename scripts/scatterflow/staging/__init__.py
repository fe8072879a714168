"""Raw data in, results out: copies between this computer and a distant place, verified."""
