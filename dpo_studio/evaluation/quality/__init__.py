"""What the labels of a project are worth, before anything is trained on them."""
