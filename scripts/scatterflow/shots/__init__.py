"""Shot-by-shot X-ray laser data: runs and shots, reductions, filters, accumulators, cubes."""
