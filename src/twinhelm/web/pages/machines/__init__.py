"""Pages of the AIOps wing for those who are called: who is on call, and what calls them."""
