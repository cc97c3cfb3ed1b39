"""What is not the paper's: masks on chosen kinds of tokens, and in chats. It may change in any release.

The paper's path (`masking.step` and what it uses) imports from here only what a config asks for by `select` and
`scope`; docs/selectors.md and docs/chats.md tell what is known of the two.
"""
