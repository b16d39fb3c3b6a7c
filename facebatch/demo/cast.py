"""The frozen people of the demo, chosen among 400 seeds by distance alone.

Farthest-first choice of 20 people whose nearest photos lie far apart and whose own photos lie
close together, by dlib-resnet's mirrored embedding. Clustering had no part in it. To repeat it:

    python benchmarks/renderer_distances.py --pool 400

On other photos than those of the choice d2 has the quantiles

                 1 %    5 %   50 %   95 %   99 %
    mates       .005   .009   .026   .068   .088
    strangers   .153   .174   .253   .361   .392

while LFW's strangers have a median of about .33. Many sets do as well, so that a small change of
the renderer gives another one; the people are frozen and only the quantiles need measuring again.
Who is in which tuple, and the order, is free: the smallest album gets the two people who lie
nearest (224 and 147), for tests of thresholds that are too wide.
"""

from __future__ import annotations

PEOPLE = (224, 147, 15, 334, 330, 27, 141, 124, 149, 110, 307, 211)
"""Seeds of the people who appear in several photos."""

STRANGERS = (53, 20, 123, 205, 356, 366, 393, 201)
"""Seeds of the people who appear once."""
