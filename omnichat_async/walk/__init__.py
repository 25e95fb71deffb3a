"""The certified walk: every row of a list, with a proof, while its data changes.

`rules` cut ranges and compare counts, `certificates` are the ways to read several pages at once
and know that nothing is missing, `reader` chooses among them for one range; none of them does any
I/O. `frontier` reads many ranges at once and hands out their leaves in order, `walk` fixes what is
old enough to be read.
"""

from omnichat_async.walk.leaf import Certificate, Leaf
from omnichat_async.walk.stats import WalkStats
from omnichat_async.walk.walk import CertifiedWalk, Leaves

__all__ = ["Certificate", "CertifiedWalk", "Leaf", "Leaves", "WalkStats"]
