"""The Quality page: what the labels are worth, before anything is trained on them."""
