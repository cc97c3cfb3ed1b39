"""Where rows come from, and the prompts that are made of them."""
