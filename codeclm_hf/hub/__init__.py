"""Versions of a data set on the Hub.

Publishing, step by step::

    run directory ── snapshot ──▶ rows and their digests           what is here
    release_check ──▶ the same, searched for secrets               what may be released
    repository ── fetch ──▶ snapshot                               what stands on the branch: current
    base, current, incoming ── merge ──▶ rows                      nothing of anybody's is lost
    merged rows ── next_version ──▶ draft                          tables, number, manifest, card
    draft ── commit ──▶ one commit and one tag                     again where somebody was faster
    tag ── read_back ──▶ the same rows                             loaded as anybody would
    folder ── merge_base ──▶ the base of the next merge            what both had in common

The same line, with other things at its ends, merges a pull request (`pull_requests`) and goes back to an
older version (`history`).
"""
