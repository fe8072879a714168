"""Records of results, their index, and what is made from them."""
