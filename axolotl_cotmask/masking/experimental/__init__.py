"""What is not the paper's: masks on chosen kinds of tokens, and a ratio that adapts. It may change in any release.

The paper's path (`masking.step` and what it uses) imports from here only what a config asks for by `select` and
`adaptive`; docs/selectors.md and docs/schedules.md tell what is known of the two.
"""
