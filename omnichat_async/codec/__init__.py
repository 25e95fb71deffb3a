"""Bytes to objects: strict where a value would change, open where the API grows.

One cattrs converter holds the rules. Nothing is coerced: a string stays a string, and a number
where a string belongs is an error that names its place. A null is fine anywhere but in a
required field, an enum field takes values nobody has heard of yet, and a field nobody has heard
of yet is kept in the object's ``extra``.

Two passes: a fast one that only knows whether everything fits, and after a misfit, on the same
values, one that finds its place.
"""

from omnichat_async.codec.answers import decode, decode_page, total_of
from omnichat_async.codec.explain import structure
from omnichat_async.codec.text import loads

__all__ = ["decode", "decode_page", "loads", "structure", "total_of"]
