"""Shot-by-shot X-ray laser data: reduce, filter, accumulate and bin."""
