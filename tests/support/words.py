"""Words that stand-ins make their texts of: hundreds, so that no two texts are nearly the same."""

from __future__ import annotations

import hashlib

WORDS = tuple(
    """
    acorn airport almond anchor ankle apple apron arrow autumn avocado badger bakery balcony bamboo banjo barley
    barn basil basket beach beaver bench berry bicycle biscuit blanket blossom boat bonfire bottle bowl branch
    bread breeze brick bridge broom bucket butter button cabbage cabin cactus camel camera candle canoe canvas
    canyon caravan cardigan carpet carrot castle cathedral cellar chalk cherry chimney choir cider cinema clay
    cliff clock clover coast cobbler coffee comet compass copper coral corridor cotton courtyard cradle crane
    crayon cricket crown crystal cucumber curtain cushion daisy dancer desert diary dolphin donkey dragon drawer
    drummer eagle easel eclipse elbow elephant ember engine envelope falcon farmer feather fence fern ferry
    festival fiddle flag flame flute fog forest fountain fox frost garage garden garlic giraffe glacier glove
    goat gondola grape guitar hammer hammock harbour harp harvest hazel hedge helmet heron honey horizon
    hospital hotel iceberg island ivory jacket jasmine jigsaw journey juggler juniper kettle kingdom kitchen
    kite ladder lagoon lantern lavender leather lemon letter library lighthouse lily lizard lobster locket lorry
    magnet mango maple marble market meadow medal melon mermaid mirror mitten monastery monkey mosaic mountain
    museum mushroom mustard napkin needle nephew notebook nutmeg oasis ocean olive onion opera orchard orchid
    oven owl oyster paddle painter palace panda paper parade parrot pasture peach peacock pebble pelican pencil
    pepper perfume piano picnic pigeon pillow pirate planet plum pocket pond poppy potato prairie puppet pyramid
    quarry quilt rabbit radio railway rainbow raven ribbon river robin rocket rooster rope rose ruby saddle
    sailor sandal sapphire saucer scarf school seagull shadow shepherd ship shoulder silver sister sketch sleigh
    snail soap sparrow spider spoon squirrel stadium station storm stream suitcase summer sunflower swan tailor
    tavern teacher temple tent theatre thimble thunder ticket tiger tomato torch tower tractor trumpet tulip
    tunnel turtle umbrella uncle valley vanilla velvet village vineyard violin volcano wagon walnut walrus
    waterfall whale wheat whistle willow window winter wizard wolf yacht zebra
    """.split()
)


def words(n: int, *parts: object) -> str:
    """n words that anybody can draw again from the parts."""
    drawn = hashlib.shake_256("|".join(map(str, parts)).encode()).digest(2 * n)
    return " ".join(
        WORDS[int.from_bytes(drawn[at : at + 2], "big") % len(WORDS)] for at in range(0, 2 * n, 2)
    )
