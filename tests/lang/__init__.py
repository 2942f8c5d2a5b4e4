"""libnsmc and its kin from the languages of those who use them."""
