"""A list of up to a million prompts, for every page that shows one: ids in memory, the rest read when it shows."""
