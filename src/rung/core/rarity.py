"""How often a literal stands in an ordinary ticket, so that patterns are looked for by their rarest words."""

from __future__ import annotations

from functools import lru_cache

_SAMPLE = """
 a a a a a a a an an and and and and and are are as as at at at be be been but but by by can can cannot could do do
 does does for for for for from from get get give go had has has have have help hi how i i i i i i if if in in in in
 in is is is is is it it it it it its know like line me more my my need new next no no not not not now of of of of of
 of on on on on or or our our out over please same see set set set should so some still than thanks that that that the
 the the the the the the the the the the the the the there there these they this this this this time to to to to to to
 to to to up us use use use user user users using want was was we we we what when when when where which who why will
 with with with with work work working works would you you you your account action actual add additional admin after
 again all already also any anything apache api api app application async attached auth back because before behavior
 browser bug build button call called case caused change check class client click code code code com com com config
 connection console const container context could create customer data data date db default describe details docker
 down email enable env error error error error event events every exception expected fail failed failed fails failure
 false feature field file file file files first fix found function github group happened happens host http http https
 https id id image import import information input install int into invalid io issue issue issues java java job json
 key label lang last latest lib line link linux list load local log log login logs made main make message message
 method model models name name name nginx node none null null number object ok one only open option options order org
 os other output package page page password path payment permission php port post problem problem process prod
 production project public put python query queue read reproduce request request requests response result results
 return return role root row run run running screen screenshot select self send server server service service sql
 start started status status step steps string support sync system table task team test tests then ticket timeout
 token token try type type update update url url user value value values version version version void web webhook
 windows without
"""
"""What tickets are made of, about as often as they stand in one: sorted words, so that only what is inside counts."""
_COMMON = " ".join(_SAMPLE.split()).join("  ")
_UNSEEN = (99.0, 60.0, 1.5, 0.25, 0.05, 0.02, 0.01, 0.005)
"""How often a literal of so many characters is expected besides the sample."""
_SIGNS = {
    ".": 40.0, "/": 22.0, "-": 19.0, ":": 14.0, ",": 15.0, " ": 99.0, "(": 7.0, ")": 7.0, "_": 4.0, '"': 8.0,
    "'": 8.0, "`": 6.0, "[": 3.0, "]": 3.0, "=": 3.0, "*": 3.0, ">": 3.0, "<": 3.0, "\\": 1.0,
}  # fmt: skip
_SIGN = 1.5
_DIGIT = 6.0


@lru_cache(1 << 16)
def rate(literal: str) -> float:
    """How often a folded literal is expected in a ticket of ordinary length, roughly."""
    bare = literal.strip("\uffff")
    if len(bare) == 1 and not bare.isalnum():
        return _SIGNS.get(bare, _SIGN if bare.isascii() else 0.1)
    if not bare.isascii():
        return 0.02
    if len(bare) == 1 and bare.isdecimal():
        return _DIGIT
    unseen = _UNSEEN[min(len(bare), len(_UNSEEN) - 1)]
    if literal != bare:
        unseen /= 3
    return _COMMON.count(literal.replace("\uffff", " ")) + unseen
