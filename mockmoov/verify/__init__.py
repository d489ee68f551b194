"""The contract suite: named checks that run against anything that speaks HTTP; nothing is imported here.

`rules.CHECKS` has every check by id; `session.Session` runs one of them against a `target.Target`;
`suite.verify` runs them all. It knows the conforming client and no other module of ours: its reading of the
contract is its own, since a shared one would agree with its own mistakes.
"""
