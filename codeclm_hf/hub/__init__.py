"""What a data set shows of itself, and how it lives on the Hub. Reads tables, never calls a stage.

::

    run directory ── snapshot ──▶ rows and their digests            what is here
    repository ── landing.fetch ──▶ snapshot                        what is there
    both and their common ancestor ── merge ──▶ rows                nothing of anybody's is lost
    merged rows ── draft ──▶ tables, manifest, card, version
    draft ── landing ──▶ one commit and one tag                     again where somebody was faster
    tag ── publish.verify ──▶ the same rows                         read back
"""
